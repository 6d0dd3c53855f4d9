// Takes sessions from the queue while there is a free slot, and runs them.
import type { PrismaClient } from "../database/client.ts";
import { appendEvents } from "../events/append.ts";
import type { Notices } from "../events/notices.ts";
import type { WorkerSession } from "../generated/prisma/client.ts";
import type { Logger } from "../log.ts";
import type { WorkQueue } from "../queue/queue.ts";
import { keepLease, type LeaseKeeper, type RunnerFacts } from "../runners/lease.ts";
import type { Sight } from "../runners/sight.ts";
import { tellWaiting } from "../runners/waiting.ts";
import { lockTaking } from "../worktrees/remove.ts";
import { groupOf } from "./dispatch.ts";
import { groupsForOthers } from "./elsewhere.ts";
import { endWorkers } from "./end-workers.ts";
import { queueTopic } from "./events.ts";
import { execute, type ExecutionDependencies } from "./execution.ts";
import { findShortage, type MemoryFloor } from "./memory-floor.ts";
import { changeWorker } from "./record.ts";
import { countTaken } from "./slots.ts";
import { activeStatuses } from "./states.ts";
import { createWorkerToken } from "./token.ts";
import { tellQueued } from "./trace.ts";

/** In case a notice was lost, an idle runner looks for itself this often. */
const lookAgainMs = 5_000;
/** How long a stop waits for what is under way to be recorded. */
const leaveTimeoutMs = 8_000;

export interface Runner {
  /** Takes up the sessions that an earlier process of this runner left, then takes new ones. */
  start(): Promise<void>;
  /** Takes nothing more, and leaves the workers running, unless they are to end too. */
  stop(how?: { readonly endWorkers: boolean }): Promise<void>;
  /** Whether this process works on the session, whatever its row says. */
  isUnderway(sessionId: string): boolean;
}

export interface RunnerDependencies extends ExecutionDependencies {
  readonly prisma: PrismaClient;
  readonly notices: Notices;
  readonly queue: WorkQueue;
  readonly facts: RunnerFacts;
  readonly sight: Pick<Sight, "graceMs">;
  readonly memoryFloor: MemoryFloor;
  readonly logger: Logger;
}

interface Taken {
  readonly session: WorkerSession;
  readonly token: string;
  readonly waitedMs: number;
}

export function createRunner(deps: RunnerDependencies): Runner {
  const { prisma, queue, notices, facts, sight, logger } = deps;
  const { id: runnerId, capacity } = facts;
  /** Nothing more is taken. */
  const closing = new AbortController();
  /** What is under way is left to the next start. */
  const leaving = new AbortController();
  const underway = new Map<string, Promise<void>>();
  let taking: Promise<void> | undefined;
  let askedAgain = false;
  /** Rows may say that this runner holds a session of which it doesn't know. */
  let isUnsure = false;
  /** What the runner's row says. */
  let toldShortage: string | null = null;
  let unwatch: (() => void) | undefined;
  let timer: NodeJS.Timeout | undefined;
  let lease: LeaseKeeper | undefined;

  /** One session from the queue, as this runner's; undefined where none can be taken now. */
  function takeOne(): Promise<Taken | undefined> {
    return prisma.$transaction(async (transaction) => {
      await lockTaking(transaction);
      const active = await transaction.workerSession.findMany({
        where: { status: { in: [...activeStatuses] } },
        select: { id: true, status: true, repositoryId: true, branch: true, runnerId: true },
      });
      const held = active.filter((session) => session.runnerId === runnerId);
      const taken = await countTaken(transaction, held, underway.keys(), capacity);
      if (taken >= capacity) return;
      const agents = facts.agents().filter(({ available }) => available);
      const others = await groupsForOthers(
        transaction,
        runnerId,
        agents.map(({ name }) => name),
        sight.graceMs(),
      );
      const next = await queue.take(transaction, [...active.map(groupOf), ...others]);
      if (next === undefined) return;
      const { sessionId: id, waitedMs } = next;
      const { token, hash } = createWorkerToken();
      const changed = await changeWorker(transaction, id, {
        status: "PREPARING",
        reason: null,
        data: { runnerId, tokenHash: hash },
      });
      // Cancelling takes a session out of the queue in the same transaction, so this is a bug's trace.
      if (changed === undefined) throw new Error(`the queue held ${id}, which has ended`);
      await appendEvents(transaction, changed.appends);
      return { session: changed.session, token, waitedMs };
    });
  }

  function run(session: WorkerSession, token: string | undefined): void {
    const done = execute(deps, session, token, leaving.signal)
      .catch((error: unknown) => {
        if (leaving.signal.aborted) return;
        isUnsure = true;
        logger.error({ err: error }, "a session's end is not recorded");
      })
      .finally(() => {
        underway.delete(session.id);
        take();
      });
    underway.set(session.id, done);
  }

  /** What an earlier process left, and what was taken though the answer was lost. */
  async function takeUpLeft(): Promise<void> {
    // Set again by what fails from here on.
    isUnsure = false;
    const known = new Set(underway.keys());
    const held = await prisma.$transaction(async (transaction) => {
      // Under their locks: a statement that a killed server had sent may be on its way to its end.
      await transaction.$queryRaw`
        SELECT 1 FROM "WorkerSession" WHERE "runnerId" = ${runnerId}::uuid AND "finishedAt" IS NULL
        ORDER BY id FOR UPDATE`;
      return transaction.workerSession.findMany({
        where: { runnerId, status: { in: [...activeStatuses] } },
      });
    });
    for (const session of held) if (!known.has(session.id)) run(session, undefined);
  }

  async function takeAll(): Promise<void> {
    askedAgain = false;
    if (isUnsure) await takeUpLeft();
    while (!closing.signal.aborted && !(await isShort()) && (await mayHaveSlot())) {
      const taken = await takeOne();
      if (taken === undefined) break;
      tellQueued(taken.session, taken.waitedMs);
      run(taken.session, taken.token);
    }
  }

  /** Looked at again when anything is queued or ends, and every `lookAgainMs`. */
  async function isShort(): Promise<boolean> {
    const shortage = findShortage(deps.memoryFloor);
    if (shortage !== toldShortage) {
      await tellWaiting(prisma, runnerId, shortage);
      toldShortage = shortage;
      if (shortage === null) logger.info("there is memory again: workers are started");
      else logger.warn(`no worker is started: the queue ${shortage}`);
    }
    return shortage !== null;
  }

  /** Cheap, as it is asked whenever anything is queued anywhere; `takeOne` counts. */
  async function mayHaveSlot(): Promise<boolean> {
    if (underway.size < capacity) return true;
    return (await prisma.workerSession.count({ where: { runnerId, status: "WAITING" } })) > 0;
  }

  /** Asked anew: it may have become true while the taking went on. */
  function wasAskedAgain(): boolean {
    return askedAgain;
  }

  function take(): void {
    if (closing.signal.aborted) return;
    if (taking !== undefined) {
      askedAgain = true;
      return;
    }
    taking = takeAll()
      .catch((error: unknown) => {
        isUnsure = true;
        logger.warn({ err: error }, "the queue could not be read; trying again soon");
      })
      .finally(() => {
        taking = undefined;
        if (wasAskedAgain()) take();
      });
  }

  return {
    isUnderway: (sessionId) => underway.has(sessionId),
    async start() {
      await takeUpLeft();
      unwatch = notices.watch(queueTopic, take);
      timer = setInterval(take, lookAgainMs);
      lease = keepLease(prisma, facts, logger);
      take();
    },
    async stop({ endWorkers: isToEnd } = { endWorkers: false }) {
      closing.abort();
      unwatch?.();
      clearInterval(timer);
      if (isToEnd) {
        await taking;
        await endWorkers(deps, underway);
      }
      leaving.abort(new Error("the server stops"));
      await lease?.stop();
      const timeout = AbortSignal.timeout(leaveTimeoutMs);
      await taking;
      await Promise.race([
        Promise.all(underway.values()),
        new Promise((resolve) => {
          timeout.addEventListener("abort", resolve, { once: true });
        }),
      ]);
    },
  };
}
