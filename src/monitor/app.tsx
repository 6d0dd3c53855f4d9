// The frame that all pages share: who serves which address, the bar on top, and how the connection stands.
import { lazy, Suspense, useEffect, useRef, type RefObject } from "react";
import { Provider } from "urql";
import { Redirect, Route, Switch, useLocation } from "wouter";
import { listenForKeys } from "./actions/keys.ts";
import { open, opened } from "./actions/open.ts";
import { signOut } from "./actions/sign-out.ts";
import { client } from "./client/client.ts";
import { connection } from "./client/connection.ts";
import { useStore } from "./client/store.ts";
import { Announcer } from "./components/announcer.tsx";
import { ConnectionBanner } from "./components/connection-banner.tsx";
import { useLinks } from "./components/links.ts";
import { ErrorBoundary } from "./components/error-boundary.tsx";
import { Toasts } from "./components/toasts.tsx";
import { TopBar } from "./components/top-bar.tsx";
import { Watch } from "./components/watch.tsx";
import { NotFound } from "./pages/not-found.tsx";
import { OverviewPage } from "./pages/overview/page.tsx";
import { SignIn } from "./pages/sign-in.tsx";
import { routes, timeChartPath } from "./routes.ts";

// Each in a file of its own, which the overview does without.
const loadDialogs = () => import("./actions/dialogs.tsx");
const Dialogs = lazy(loadDialogs);
const WorkerPage = lazy(() => import("./pages/worker/page.tsx"));
const TimeChartPage = lazy(() => import("./pages/chart/page.tsx"));

export function App() {
  const { kind } = useStore(connection.state);
  const isDialogOpen = useStore(opened) !== undefined;
  useEffect(listenForKeys, []);
  useEffect(() => {
    // Whoever types on behind a key that opens one is not kept waiting. Where it fails, opening one asks again.
    void loadDialogs().catch(() => undefined);
  }, []);
  useLinks();
  const [location] = useLocation();
  const main = useFocusOnNavigation(location);

  if (kind === "refused") return <SignIn />;
  return (
    <Provider value={client}>
      <a className="skip-link" href="#content">
        Skip to the content
      </a>
      <TopBar
        onPalette={() => open({ kind: "palette" })}
        onKeys={() => open({ kind: "keys" })}
        onDispatch={() => open({ kind: "dispatch" })}
        onSignOut={() => void signOut()}
      />
      <ConnectionBanner />
      <main id="content" tabIndex={-1} ref={main}>
        <ErrorBoundary key={location}>
          <Suspense fallback={null}>
            <Switch>
              <Route path={routes.overview} component={OverviewPage} />
              <Route path={routes.worker}>
                {({ name }) => <WorkerPage key={name} name={name} />}
              </Route>
              <Route path={routes.timeChart}>
                {({ name }) => <TimeChartPage key={name} parent={name} />}
              </Route>
              <Route path={routes.parent}>
                {({ name }) => <Redirect to={timeChartPath(name)} replace />}
              </Route>
              <Route component={NotFound} />
            </Switch>
          </Suspense>
        </ErrorBoundary>
      </main>
      <Suspense fallback={null}>{isDialogOpen && <Dialogs />}</Suspense>
      <Watch />
      <Announcer />
      <Toasts />
    </Provider>
  );
}

/** As a browser does with a page that it loads: what has the focus is not what was on the page before. */
function useFocusOnNavigation(location: string): RefObject<HTMLElement | null> {
  const main = useRef<HTMLElement>(null);
  const before = useRef(location);
  useEffect(() => {
    if (before.current === location) return;
    before.current = location;
    // A dialog has the focus while it is open, and gives it back itself.
    if (opened.read() === undefined) main.current?.focus({ preventScroll: true });
  }, [location]);
  return main;
}
