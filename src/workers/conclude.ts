// How a session ends: one final status, committed together with commits and summary.
import type { PrismaClient } from "../database/client.ts";
import { appendEvents } from "../events/append.ts";
import type { WorkerSession } from "../generated/prisma/client.ts";
import type { WorkerStatus } from "../generated/prisma/enums.ts";
import type { ExitOutcome } from "../process/exit.ts";
import type { MemoryExcess } from "../process/memory-excess.ts";
import { cancelText } from "./cancel.ts";
import { describeMemoryExcess } from "./caps.ts";
import { recordCommits } from "./commits.ts";
import { describeShortfalls, describeUnfinished, type EndedWork } from "./ended-work.ts";
import { queueTopic } from "./events.ts";
import type { Told } from "./talk/keeper.ts";
import { tooLate, type Pushed } from "./push.ts";
import { changeWorker, lockWorker } from "./record.ts";
import { findNeededHost } from "./sandbox/refusals.ts";
import { isFinal } from "./states.ts";

export interface Verdict {
  readonly status: WorkerStatus;
  readonly reason: string | null;
  readonly failureCode: string | null;
}

/** How the agent's process ended; and what the agent itself told, where it speaks a protocol. */
export interface WorkerOutcome {
  readonly exit: ExitOutcome;
  /** Set where it was ended for going over its memory cap. */
  readonly excess: MemoryExcess | undefined;
  readonly told: Told | null;
}

/** CANCELLED, TIMED_OUT and LOST win, then its memory cap, the last reported outcome, its model's host, the agent's own. */
export function judge(
  session: Pick<
    WorkerSession,
    | "cancelRequestedAt"
    | "cancelReason"
    | "reportedOutcome"
    | "timeoutSeconds"
    | "maxMemoryMib"
    | "blocked"
  >,
  { exit: outcome, excess, told }: WorkerOutcome,
  timedOut: boolean,
): Verdict {
  if (session.cancelRequestedAt !== null) {
    return verdict("CANCELLED", cancelText(session.cancelReason));
  }
  if (timedOut) return verdict("TIMED_OUT", timeoutText(session));
  if (outcome.kind === "lost" && told?.isClosed !== true) return verdict("LOST", outcome.reason);
  if (excess !== undefined) {
    return verdict("FAILED", describeMemoryExcess(session, excess.limit), "MEMORY_EXCEEDED");
  }
  if (session.reportedOutcome === "SUCCEEDED") return verdict("SUCCEEDED", "reported success");
  if (session.reportedOutcome === "FAILED") return verdict("FAILED", "reported failure");
  const needed = findNeededHost(session);
  if (needed !== undefined && told?.verdict.succeeded !== true) {
    return verdict("FAILED", describeNeededHost(needed), "FORBIDDEN");
  }
  if (outcome.kind === "exited" && outcome.startFailure !== null) {
    return verdict("FAILED", startFailures[outcome.startFailure], "AGENT_UNAVAILABLE");
  }
  if (told !== null) {
    return verdict(
      told.verdict.succeeded ? "SUCCEEDED" : "FAILED",
      told.verdict.reason,
      told.verdict.failureCode,
    );
  }
  if (outcome.kind === "lost") return verdict("LOST", outcome.reason);
  if (outcome.signal !== null) return verdict("FAILED", `ended by ${outcome.signal}`);
  if (outcome.exitCode === 0) return verdict("SUCCEEDED", null);
  return verdict("FAILED", `exit code ${String(outcome.exitCode)}`);
}

function describeNeededHost(host: string): string {
  return `its model is at ${host}, which no list allows: allow the host by the dispatch's network, its repository's or FACTORY_NETWORK`;
}

function timeoutText({ timeoutSeconds }: Pick<WorkerSession, "timeoutSeconds">): string {
  return `timed out after ${String(timeoutSeconds)} s`;
}

const startFailures = {
  DIRECTORY_UNAVAILABLE: "the worktree's folder is gone or closed: the agent could not start in it",
  COMMAND_NOT_FOUND: "the agent's program was not found when it was to start",
  COMMAND_NOT_EXECUTABLE: "the agent's program can't be executed",
} as const;

/** Whoever asked for a push takes SUCCEEDED for its word that the work is on the remote. */
export function judgeWithPush(
  judged: Verdict,
  { push }: Pick<WorkerSession, "push">,
  pushed: Pushed,
): Verdict {
  if (judged.status !== "SUCCEEDED" || !push) return judged;
  if (pushed !== null && "to" in pushed) return judged;
  const { code, message } = pushed?.failure ?? tooLate;
  return verdict("FAILED", message, code);
}

/** Who looks at the status and the branch alone would not find out. */
function withShortfalls(judged: Verdict, work: EndedWork): Verdict {
  const shortfalls =
    judged.status === "SUCCEEDED" ? describeShortfalls(work) : describeUnfinished(work);
  if (shortfalls.length === 0) return judged;
  const reasons = judged.reason === null ? shortfalls : [judged.reason, ...shortfalls];
  return { ...judged, reason: reasons.join("; ") };
}

function verdict(status: WorkerStatus, reason: string | null, failureCode: string | null = null) {
  return { status, reason, failureCode };
}

export interface Conclusion {
  readonly outcome: WorkerOutcome;
  readonly timedOut: boolean;
  readonly work: EndedWork;
  readonly pushed: Pushed;
}

/** What it says also where it had ended so before. undefined: another attempt speaks for the session now. */
export async function conclude(
  prisma: PrismaClient,
  { id, attempt }: Pick<WorkerSession, "id" | "attempt">,
  { outcome, timedOut, work, pushed }: Conclusion,
): Promise<WorkerSession | undefined> {
  return prisma.$transaction(async (transaction) => {
    // Locked first: a cancellation or a report that was accepted before counts.
    const session = await lockWorker(transaction, id);
    if (hasEndedSo(session, attempt)) return session;
    const judged = withShortfalls(judge(session, outcome, timedOut), work);
    const { status, reason, failureCode } = judgeWithPush(judged, session, pushed);
    const { commits, commitCount, changes, state } = work;
    const exit = outcome.exit.kind === "exited" ? outcome.exit : undefined;
    const changed = await changeWorker(transaction, id, {
      status,
      reason,
      attempt,
      data: {
        failureCode,
        summary: session.summary ?? outcome.told?.lastMessage ?? null,
        exitCode: exit?.exitCode ?? null,
        signal: exit?.signal ?? null,
        // It may have ended long ago, while no server was there.
        ...(exit === undefined ? {} : { finishedAt: holdToTime(exit.endedAt, session.startedAt) }),
        commits: recordCommits(commits).map((commit) => ({ ...commit })),
        commitCount,
        uncommittedFileCount: state?.changedFiles ?? null,
        filesChanged: changes?.filesChanged ?? null,
        linesAdded: changes?.insertions ?? null,
        linesRemoved: changes?.deletions ?? null,
        // Also where it was cancelled then: it is there.
        // Else as its agent has pushed it.
        ...(pushed !== null && "to" in pushed ? { pushedTo: pushed.to } : {}),
      },
    });
    if (changed === undefined) return undefined;
    await appendEvents(transaction, changed.appends, [queueTopic]);
    return changed.session;
  });
}

/** Clocks are set, and whoever wrote the time may have lied. */
function holdToTime(time: string, startedAt: Date | null): Date {
  const now = Date.now();
  const from = Math.min(startedAt?.getTime() ?? 0, now);
  return new Date(Math.min(Math.max(Date.parse(time), from), now));
}

/** For a session of whose agent nothing is known: mostly it never started, since something failed on the way. */
export async function concludeUnstarted(
  prisma: PrismaClient,
  { id, attempt }: Pick<WorkerSession, "id" | "attempt">,
  failure: { readonly code: string; readonly message: string },
  timedOut: boolean,
): Promise<WorkerSession | undefined> {
  return prisma.$transaction(async (transaction) => {
    const session = await lockWorker(transaction, id);
    if (hasEndedSo(session, attempt)) return session;
    const { status, reason, failureCode } = judgeUnstarted(session, failure, timedOut);
    const changed = await changeWorker(transaction, id, {
      status,
      reason,
      attempt,
      data: { failureCode },
    });
    if (changed === undefined) return undefined;
    await appendEvents(transaction, changed.appends, [queueTopic]);
    return changed.session;
  });
}

function judgeUnstarted(
  session: WorkerSession,
  { code, message }: { readonly code: string; readonly message: string },
  timedOut: boolean,
): Verdict {
  if (session.cancelRequestedAt !== null) {
    return verdict("CANCELLED", cancelText(session.cancelReason));
  }
  return timedOut ? verdict("TIMED_OUT", timeoutText(session)) : verdict("FAILED", message, code);
}

/** Then the answer to an earlier try was lost. LOST is what others said of it, while it went on. */
function hasEndedSo({ status, attempt: current }: WorkerSession, attempt: number): boolean {
  return isFinal(status) && status !== "LOST" && current === attempt;
}
