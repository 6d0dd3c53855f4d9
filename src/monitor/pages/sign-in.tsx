import { EmptyState } from "../components/empty-state.tsx";

/** While the page was open the server has come to know another token. */
export function SignIn() {
  return (
    <main>
      <EmptyState isPage title="This browser is not signed in any more">
        <p>
          The server knows another token now. Open the address that it printed at its start, which
          ends in <code>/?token=…</code>; the token is also in the file <code>token</code> in
          FACTORY_HOME.
        </p>
      </EmptyState>
    </main>
  );
}
