import { EmptyState } from "../components/empty-state.tsx";

/** While the page was open the browser's session has ended. */
export function SignIn() {
  const path = window.location.pathname + window.location.search;
  return (
    <main>
      <EmptyState isPage title="This browser is not signed in any more">
        <p>It was signed out, or the server has another token now.</p>
        <p>
          <a href={`/sign-in?next=${encodeURIComponent(path)}`} className="button">
            Sign in
          </a>
        </p>
      </EmptyState>
    </main>
  );
}
