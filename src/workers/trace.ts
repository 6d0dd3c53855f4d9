// A session's trace: kept in its row, with spans whose ids every server comes to by itself. So a server that
// takes a session up goes on with the trace of the one before it.
import { tellStep, traceBelow, type SpanPlace } from "../measurements.ts";
import type { WorkerSession } from "../generated/prisma/client.ts";
import type { ExitOutcome } from "../process/exit.ts";
import { workerName } from "./find.ts";

type Traced = Pick<WorkerSession, "id" | "number" | "attempt" | "traceparent">;

/** Of all that is done for the session; undefined: it belongs to none. */
export function traceOf({
  id,
  traceparent,
}: Pick<Traced, "id" | "traceparent">): string | undefined {
  return traceBelow(traceparent, id);
}

/** Of what the agent itself does in this attempt. */
export function agentTraceOf(session: Traced): string | undefined {
  return traceBelow(traceOf(session), `${session.id}-${String(session.attempt)}`);
}

function place(traceparent: string | undefined, parent: string | null | undefined) {
  return traceparent === undefined || parent == null
    ? undefined
    : ({ traceparent, parent } satisfies SpanPlace);
}

/** Told once, by whoever ended the session. */
export function tellEnd(session: WorkerSession): void {
  const { createdAt, finishedAt, status, statusReason, failureCode, agent, branch } = session;
  const isFailure = status === "FAILED" || status === "TIMED_OUT" || status === "LOST";
  const repository = `${session.repositoryOwner}/${session.repositoryName}`;
  const facts = {
    ...factsOf(session),
    status,
    agent,
    repository,
    branch,
    failureCode: failureCode ?? undefined,
  };
  tellStep(
    {
      name: "session",
      facts,
      startedAt: createdAt,
      milliseconds: (finishedAt ?? new Date()).getTime() - createdAt.getTime(),
      failure: isFailure ? (statusReason ?? status) : undefined,
    },
    place(traceOf(session), session.traceparent),
  );
}

/** It was taken just now. */
export function tellQueued(session: WorkerSession, waitedMs: number): void {
  const trace = traceOf(session);
  tellStep(
    {
      name: "queued",
      facts: factsOf(session),
      startedAt: new Date(Date.now() - waitedMs),
      milliseconds: waitedMs,
      failure: undefined,
    },
    place(traceBelow(trace), trace),
  );
}

/** An agent may have outlived the server that started it. */
export function tellAgent(session: WorkerSession, startedAt: Date, exit: ExitOutcome): void {
  const endedAt = exit.kind === "exited" ? new Date(exit.endedAt) : new Date();
  const exitCode = exit.kind === "exited" ? exit.exitCode : null;
  tellStep(
    {
      name: "agent",
      facts: { ...factsOf(session), agent: session.agent, exitCode: exitCode ?? undefined },
      startedAt,
      milliseconds: endedAt.getTime() - startedAt.getTime(),
      failure: undefined,
    },
    place(agentTraceOf(session), traceOf(session)),
  );
}

function factsOf(session: Traced) {
  return { worker: workerName(session), attempt: session.attempt };
}
