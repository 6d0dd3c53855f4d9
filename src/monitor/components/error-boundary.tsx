import { Component, type ReactNode } from "react";
import { EmptyState } from "./empty-state.tsx";

interface ErrorBoundaryState {
  readonly error: Error | undefined;
}

/** In the place of a page that has thrown: a bug, which is said rather than left white. */
export class ErrorBoundary extends Component<{ readonly children: ReactNode }, ErrorBoundaryState> {
  override state: ErrorBoundaryState = { error: undefined };

  static getDerivedStateFromError(error: unknown): ErrorBoundaryState {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (error === undefined) return this.props.children;
    return (
      <EmptyState isPage title="This page has met a mistake of its own">
        <p>
          Nothing on the server is harmed. Load it again; where it comes back, tell us what it says:
        </p>
        <code>{error.message}</code>
        <button type="button" className="button" onClick={() => window.location.reload()}>
          Load it again
        </button>
      </EmptyState>
    );
  }
}
