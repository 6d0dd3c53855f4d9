import type { Viewer } from "../access/viewer.ts";
import type { Pool, PrismaClient } from "../database/client.ts";
import { FactoryError } from "../errors.ts";
import type { EventLog } from "../events/follow.ts";
import type { EventReader, StoredEvent } from "../events/read.ts";
import type { ParentSession, WorkerMessage, WorkerSession } from "../generated/prisma/client.ts";
import type { ReportOutcome } from "../generated/prisma/enums.ts";
import type { GitCommit } from "../git/git.ts";
import type { Logger } from "../log.ts";
import type { RunnerCalls } from "../runners/calls.ts";
import { checkText } from "../text.ts";
import { allowHost, type AllowedHost } from "./allow-host.ts";
import { cancelFamily, cancelWorker } from "./cancel.ts";
import {
  commitsMethod,
  readCommits,
  readRecorded,
  recordCommits,
  type RecordedCommit,
} from "./commits.ts";
import {
  assertMayDispatch,
  dispatch,
  type DispatchDependencies,
  type Dispatched,
} from "./dispatch.ts";
import {
  parentStreamKey,
  workerStreamKey,
  type PermissionRequestPayload,
  type WorkerStatusPayload,
} from "./events.ts";
import { findWorker, getWorker, workerName } from "./find.ts";
import { checkKey, checkParentName, type DispatchInput } from "./input.ts";
import { queueReasons } from "./queue-reason.ts";
import { reportWorker } from "./report.ts";
import { retryWorker } from "./retry.ts";
import { isFinal } from "./states.ts";
import { readStatusEvents } from "./status-events.ts";
import { listWaiting, sendMessage, type Message } from "./talk/messages.ts";
import { answerPermission, listPending, type PermissionAnswer } from "./talk/permissions.ts";
import { redactAll } from "./secrets.ts";
import { hashToken } from "./token.ts";

const longestReasonBytes = 2_000;
export const eventPage = { default: 500, most: 1_000 } as const;

export interface WorkerCounts {
  readonly total: number;
  readonly byStatus: Readonly<Partial<Record<WorkerSession["status"], number>>>;
}

export interface WorkerService {
  dispatch(input: DispatchInput, viewer: Viewer): Promise<Dispatched>;
  retry(
    previous: WorkerSession,
    idempotencyKey: string | undefined,
    viewer: Viewer,
  ): Promise<Dispatched>;
  /** With `children` all of its descendants that have not ended, too. */
  cancel(
    id: string,
    reason: string | undefined,
    options?: { readonly children: boolean },
  ): Promise<WorkerSession>;
  /** To one that runs: its next turn. To an ended one: a new session, with created: true. */
  send(session: WorkerSession, message: Message, viewer: Viewer): Promise<Dispatched>;
  answerPermission(id: string, answer: PermissionAnswer): Promise<WorkerSession>;
  allowHost(id: string, host: AllowedHost): Promise<WorkerSession>;
  /** For each id, what it asks for and nobody has answered yet. */
  pendingPermissions(ids: readonly string[]): Promise<PermissionRequestPayload[][]>;
  /** For each session's stream, the latest changes of its status, oldest first. */
  statusEvents(streamIds: readonly string[]): Promise<StoredEvent[][]>;
  /** For each id, the messages that wait for the end of its agent's turn, oldest first. */
  waitingMessages(ids: readonly string[]): Promise<WorkerMessage[][]>;
  report(
    id: string,
    report: { message: string; outcome: ReportOutcome | null },
  ): Promise<WorkerSession>;
  /** Whom a worker's token names; undefined once its session has ended. */
  identify(token: string): Promise<Viewer | undefined>;
  find(nameOrId: string): Promise<WorkerSession | null>;
  /** @throws FactoryError WORKER_NOT_FOUND */
  get(nameOrId: string): Promise<WorkerSession>;
  /** null before its first dispatch. */
  findParent(name: string): Promise<(ParentSession & { worker: WorkerSession | null }) | null>;
  /** For each id, why it waits in the queue; null where it doesn't. */
  queueReasons(ids: readonly string[]): Promise<(string | null)[]>;
  /** For each parent's id, how many workers it has in each status. */
  countByParent(ids: readonly string[]): Promise<WorkerCounts[]>;
  /** What the session added to its branch: recorded at its end, until then read from git; none while its runner is away. */
  commits(
    session: Pick<WorkerSession, "id" | "status" | "commits" | "runnerId">,
  ): Promise<readonly GitCommit[]>;
  /** The stored events, oldest first. @throws FactoryError BAD_INPUT, CURSOR_AHEAD, EVENTS_EXPIRED */
  readEvents(
    session: Pick<WorkerSession, "number">,
    page: { after: number | undefined; first: number | undefined },
  ): Promise<readonly StoredEvent[]>;
  /** All that the worker does; ends after its last event. */
  followWorker(
    session: WorkerSession,
    after: number | undefined,
  ): Promise<AsyncGenerator<StoredEvent>>;
  /** Every change of every worker of the parent, which need not exist yet. */
  followParent(name: string, after: number | undefined): Promise<AsyncGenerator<StoredEvent>>;
}

export interface WorkerServiceDependencies extends DispatchDependencies {
  readonly prisma: PrismaClient;
  readonly pool: Pool;
  readonly events: EventLog;
  readonly reader: EventReader;
  readonly calls: RunnerCalls;
  readonly logger: Logger;
}

export function createWorkerService(deps: WorkerServiceDependencies): WorkerService {
  const { prisma, pool, events, reader, calls, redact } = deps;
  /** What the operator says is meant as it is, and so are names. */
  function hideFrom<Input extends object>(viewer: Viewer, input: Input): Input {
    if (viewer.kind === "operator") return input;
    return { ...input, ...redactAll(redact, pickTexts(input)) };
  }

  calls.handle(commitsMethod, async ({ sessionId }) => {
    const session = await prisma.workerSession.findUniqueOrThrow({ where: { id: sessionId } });
    return { commits: redactAll(redact, recordCommits(await readCommits(deps, session))) };
  });
  return {
    async dispatch(input, viewer) {
      await assertMayDispatch(deps.repositories, input, viewer);
      return dispatch(deps, hideFrom(viewer, input), viewer);
    },
    async retry(previous, idempotencyKey, viewer) {
      if (idempotencyKey !== undefined) checkKey(idempotencyKey);
      return retryWorker(deps, previous, idempotencyKey, viewer);
    },
    cancel(id, given, { children } = { children: false }) {
      if (given !== undefined) {
        checkText("reason", given, { longestBytes: longestReasonBytes, lines: true });
      }
      const reason = given === undefined ? undefined : redact(given);
      return children ? cancelFamily(deps, id, reason) : cancelWorker(deps, id, reason);
    },
    send: (session, message, viewer) =>
      sendMessage(deps, session, hideFrom(viewer, message), viewer),
    answerPermission: (id, answer) => answerPermission(prisma, id, answer),
    allowHost: (id, host) => allowHost(prisma, id, host),
    pendingPermissions: (ids) => listPending(prisma, ids),
    statusEvents: (streamIds) => readStatusEvents(pool, streamIds),
    waitingMessages: (ids) => listWaiting(prisma, ids),
    report: (id, report) => reportWorker(prisma, id, report, redact),
    async identify(token) {
      const session = await prisma.workerSession.findUnique({
        where: { tokenHash: hashToken(token) },
        select: { id: true, number: true, repositoryId: true },
      });
      if (session === null) return undefined;
      const { id: sessionId, repositoryId } = session;
      return { kind: "worker", sessionId, name: workerName(session), repositoryId };
    },
    find: (nameOrId) => findWorker(prisma, nameOrId),
    get: (nameOrId) => getWorker(prisma, nameOrId),
    findParent: (name) =>
      prisma.parentSession.findUnique({ where: { name }, include: { worker: true } }),
    queueReasons: (ids) => queueReasons(pool, ids),
    async countByParent(ids) {
      const groups = await prisma.workerSession.groupBy({
        by: ["parentSessionId", "status"],
        where: { parentSessionId: { in: [...ids] } },
        _count: true,
      });
      return ids.map((id) => {
        const own = groups.filter((group) => group.parentSessionId === id);
        return {
          total: own.reduce((sum, { _count }) => sum + _count, 0),
          byStatus: Object.fromEntries(own.map(({ status, _count }) => [status, _count])),
        };
      });
    },
    async commits(session) {
      // Written by conclude.ts alone.
      const recorded = session.commits as unknown as RecordedCommit[];
      if (isFinal(session.status)) return readRecorded(recorded);
      const { id, runnerId } = session;
      if (runnerId === null) return [];
      try {
        const { commits } = await calls.call(runnerId, commitsMethod, { sessionId: id });
        return readRecorded(commits);
      } catch (error) {
        // A list of workers must not fail since one of them is on a runner that is away.
        if (!(error instanceof FactoryError) || error.code !== "RUNNER_UNAVAILABLE") throw error;
        return [];
      }
    },
    async readEvents(session, { after = 0, first = eventPage.default }) {
      if (first < 1) throw new FactoryError("BAD_INPUT", "first must be 1 or more");
      const position = await reader.position(workerStreamKey(session.number));
      if (position === undefined) return [];
      // The same edges as a subscription's.
      const cursor = deps.events.checkCursor(after, position);
      return reader.read(position.streamId, cursor, Math.min(first, eventPage.most));
    },
    async followWorker(session, after) {
      const key = workerStreamKey(session.number);
      return events.follow(key, {
        after,
        isLast: ({ type, payload }) =>
          type === "status" && isFinal((payload as WorkerStatusPayload).status),
        isOver: async () => {
          const now = await prisma.workerSession.findUnique({
            where: { id: session.id },
            select: { status: true },
          });
          return now === null || isFinal(now.status);
        },
      });
    },
    followParent(name, after) {
      checkParentName(name);
      return events.follow(parentStreamKey(name), { after });
    },
  };
}

/** What a worker says to another one. */
function pickTexts(input: object): object {
  return Object.fromEntries(
    Object.entries(input).filter(
      ([name]) => name === "task" || name === "text" || name === "issue",
    ),
  );
}
