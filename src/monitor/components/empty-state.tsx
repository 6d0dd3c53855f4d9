import type { ReactNode } from "react";

interface EmptyStateProps {
  readonly title: string;
  /** It is all that there is on the page. */
  readonly isPage?: boolean;
  readonly children?: ReactNode;
}

/** In the place of what isn't there: says so, and what to do next. */
export function EmptyState({ title, isPage = false, children }: EmptyStateProps) {
  const Title = isPage ? "h1" : "p";
  return (
    <div className="empty-state">
      <Title className="empty-state-title">{title}</Title>
      {children}
    </div>
  );
}
