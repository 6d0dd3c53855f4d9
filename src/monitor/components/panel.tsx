import { useId, type ReactNode } from "react";

interface PanelProps {
  readonly title: string;
  /** How many there are. */
  readonly number?: number | undefined;
  readonly actions?: ReactNode;
  readonly kind?: "attention";
  readonly children: ReactNode;
}

/** A titled part of a page, and a landmark for screen readers. */
export function Panel({ title, number, actions, kind, children }: PanelProps) {
  const id = useId();
  return (
    <section className="panel" data-kind={kind} aria-labelledby={id}>
      <div className="panel-head">
        <h2 id={id} className="panel-title">
          {title}
          {number !== undefined && <span className="panel-number"> {number}</span>}
        </h2>
        {actions}
      </div>
      {children}
    </section>
  );
}
