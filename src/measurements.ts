// What the domain tells of its own work. Whoever wants to know listens (src/telemetry): nothing here knows of
// metrics or spans, and while nobody listens it costs next to nothing.
import { EventEmitter } from "node:events";
import { childTrace, currentTrace, newTrace, withTrace } from "./trace-context.ts";

/** dispatch: until the answer. session: from its dispatch to its end. The others: steps on its way. */
export type StepName =
  | "dispatch"
  | "session"
  | "queued"
  | "clone"
  | "fetch"
  | "worktree"
  | "issue"
  | "spawn"
  | "agent"
  | "push"
  | "git";

export type Facts = Readonly<Record<string, string | number | boolean | undefined>>;

export interface EndedStep {
  readonly name: StepName;
  readonly facts: Facts;
  readonly startedAt: Date;
  readonly milliseconds: number;
  /** Why it failed; undefined: it didn't. */
  readonly failure: string | undefined;
}

/** A step that belongs to a trace. */
export interface EndedSpan extends EndedStep {
  readonly traceparent: string;
  /** undefined: the trace begins with it. */
  readonly parent: string | undefined;
}

export const measurements = new EventEmitter<{
  step: [EndedStep];
  span: [EndedSpan];
  /** Events of a type that were appended to streams. */
  appended: [type: string, count: number];
}>();

/** Where a step stands in its trace. */
export type SpanPlace = Pick<EndedSpan, "traceparent" | "parent">;

/** Whether anybody keeps spans. Where nobody does, no span is made up that others would hang theirs on. */
function areSpansKept(): boolean {
  return measurements.listenerCount("span") > 0;
}

/** What is done below a span goes on with this; `of` as in childTrace. */
export function traceBelow(parent: string | null | undefined, of?: string): string | undefined {
  if (parent == null) return undefined;
  return areSpansKept() ? childTrace(parent, of) : parent;
}

export interface StepOptions {
  readonly facts?: Facts;
  /** Where the work at hand belongs to no trace, one begins here, if anybody keeps it. */
  readonly beginsTrace?: boolean;
}

/** Acts, and tells how long it took. What the action notes is told with it. */
export async function step<T>(
  name: StepName,
  { facts = {}, beginsTrace = false }: StepOptions,
  action: (note: (more: Facts) => void) => Promise<T>,
): Promise<T> {
  const parent = currentTrace();
  const traceparent =
    parent === undefined && beginsTrace && areSpansKept() ? newTrace() : traceBelow(parent);
  const startedAt = new Date();
  const started = performance.now();
  let noted = facts;
  let failure: string | undefined;
  try {
    return await withTrace(traceparent, () =>
      action((more) => {
        noted = { ...noted, ...more };
      }),
    );
  } catch (error) {
    failure = error instanceof Error ? error.message : String(error);
    throw error;
  } finally {
    const milliseconds = performance.now() - started;
    const place = traceparent === undefined ? undefined : { traceparent, parent };
    tellStep({ name, facts: noted, startedAt, milliseconds, failure }, place);
  }
}

/** Tells of a step that has ended, and that nobody held in hand from its beginning to its end. */
export function tellStep(ended: EndedStep, place: SpanPlace | undefined): void {
  measurements.emit("step", ended);
  if (place !== undefined) measurements.emit("span", { ...ended, ...place });
}

export function tellAppended(events: readonly { readonly type: string }[]): void {
  for (const { type } of events) measurements.emit("appended", type, 1);
}
