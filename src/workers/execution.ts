// One attempt of one session, from PREPARING to its end. Every step finds what an earlier try has done, so
// that it can be begun again after the server was killed anywhere.
import { protocolOf } from "../agents/protocols.ts";
import type { AgentRegistry } from "../agents/registry.ts";
import type { Pool, PrismaClient } from "../database/client.ts";
import { isOutage } from "../database/errors.ts";
import { insist, type InsistOptions } from "../database/insist.ts";
import { appendEvents } from "../events/append.ts";
import type { Notices } from "../events/notices.ts";
import { describeFailure } from "../database/failure.ts";
import type { WorkerSession } from "../generated/prisma/client.ts";
import type { Logger } from "../log.ts";
import { readExit, type ExitFile } from "../process/exit.ts";
import type { Identity } from "../process/identity.ts";
import { removeSessionFolder } from "../process/session-folder.ts";
import { terminateAll } from "../process/terminate.ts";
import type { RepositoryService } from "../repositories/service.ts";
import { withTrace } from "../trace-context.ts";
import type { WorktreeService } from "../worktrees/service.ts";
import { conclude, concludeUnstarted, judge, type WorkerOutcome } from "./conclude.ts";
import { findAgent, orDamaged, type Found } from "./damaged.ts";
import { readEndedWork } from "./ended-work.ts";
import { watchEnding, type Ending } from "./ending.ts";
import { workerName } from "./find.ts";
import { launchAsJson, readLaunch } from "./launch-record.ts";
import { createOutputStore } from "./output.ts";
import { prepare } from "./prepare.ts";
import { pushWork } from "./push.ts";
import { changeWorker, lockWorker } from "./record.ts";
import type { Sandboxes } from "./sandbox/sandboxes.ts";
import { redactAll } from "./secrets.ts";
import { sessionFolder, sessionNonce, startAgent, type WorkerHost } from "./start.ts";
import { supervise } from "./supervise.ts";
import { createTalkKeeper } from "./talk/keeper.ts";
import { asJson, readTalk } from "./talk/stored.ts";
import { createWorkerToken } from "./token.ts";
import { tellAgent, tellEnd, traceOf } from "./trace.ts";

export interface ExecutionDependencies {
  readonly prisma: PrismaClient;
  readonly pool: Pool;
  readonly notices: Notices;
  readonly repositories: RepositoryService;
  readonly worktrees: WorktreeService;
  readonly agents: AgentRegistry;
  readonly host: WorkerHost;
  readonly sandboxes: Sandboxes;
  readonly killGraceMs: number;
  /** Within which an agent must have answered what comes before its first turn. */
  readonly startTimeoutMs: number;
  readonly logger: Logger;
}

/**
 * Resolves when the session has ended and is cleaned up, or when `leaving` is aborted: then the worker
 * goes on, and the next start of the server takes it up again.
 */
export function execute(
  deps: ExecutionDependencies,
  session: WorkerSession,
  token: string | undefined,
  leaving: AbortSignal,
): Promise<void> {
  return withTrace(traceOf(session), () => executeWithin(deps, session, token, leaving));
}

async function executeWithin(
  deps: ExecutionDependencies,
  session: WorkerSession,
  token: string | undefined,
  leaving: AbortSignal,
): Promise<void> {
  const logger = deps.logger.child({ worker: workerName(session), attempt: session.attempt });
  const ending = watchEnding({ ...deps, logger }, session);
  const patience = waitOut(leaving, logger);
  try {
    await ending.ready;
    const running = await insist(
      () => begin({ ...deps, logger }, session, token, ending, leaving),
      waitOut(AbortSignal.any([ending.signal, leaving]), logger),
    );
    const outcome = await watchStarts({ ...deps, logger }, running, { token, ending, leaving });
    await insist(() => closeSandbox(deps, running.session, true), patience);
    const work = await insist(() => readEndedWork({ ...deps, logger }, running.session), patience);
    const pushed = await pushWork({ ...deps, logger }, session, {
      work,
      succeeds: (row) => judge(row, outcome, ending.timedOut()).status === "SUCCEEDED",
      ending: ending.signal,
      patience,
    });
    // Looked at before its end is told, so that the worktree is gone soon after.
    const isClean = await insist(
      () => isToBeCleaned({ ...deps, logger }, running.session),
      patience,
    );
    const conclusion = { outcome, timedOut: ending.timedOut(), work, pushed };
    const kept = redactAll(deps.host.secrets.redact, conclusion);
    const ended = await insist(() => conclude(deps.prisma, session, kept), patience);
    if (ended !== undefined) tellEnd(ended);
    await cleanUp(deps, session, ended, isClean);
  } catch (error) {
    if (leaving.aborted) return;
    ending.stopClock();
    // Whatever went wrong, what was started of this attempt is ended before its end is recorded.
    await terminateAll({
      identity: undefined,
      nonce: sessionNonce(session),
      graceMs: deps.killGraceMs,
    });
    await insist(() => closeSandbox(deps, session, true), patience);
    const wasEnded = ending.signal.aborted && error === ending.signal.reason;
    const { redact } = deps.host.secrets;
    const failure = wasEnded ? cancelled : describeFailure(error, logger);
    const ended = await insist(
      () => concludeUnstarted(deps.prisma, session, redactAll(redact, failure), ending.timedOut()),
      patience,
    );
    if (ended !== undefined) tellEnd(ended);
    await cleanUp(deps, session, ended, false);
  } finally {
    ending.close();
    await closeSandbox(deps, session, false);
  }
}

function closeSandbox(
  { sandboxes, host }: ExecutionDependencies,
  session: WorkerSession,
  hasEnded: boolean,
): Promise<void> {
  return sandboxes.close(session, { folder: sessionFolder(host.home, session), hasEnded });
}

/** An outage of the database must lose nothing, however long it takes. */
function waitOut(signal: AbortSignal, logger: Logger): InsistOptions {
  return {
    signal,
    onFailure(error) {
      logger.warn({ err: error }, "the database can't be reached; trying again");
    },
  };
}

/** What ended it is recorded with the session: see concludeUnstarted. */
const cancelled = { code: "INTERNAL", message: "ended before its agent started" } as const;

interface Running {
  readonly session: WorkerSession;
  readonly found: Found;
}

/** Adopts the agent that an earlier try has started, or prepares and starts it. */
async function begin(
  deps: ExecutionDependencies,
  session: WorkerSession,
  token: string | undefined,
  ending: Ending,
  leaving: AbortSignal,
): Promise<Running> {
  const nonce = sessionNonce(session);
  const record = readLaunch(session, nonce);
  const found = await findAgent(sessionFolder(deps.host.home, session), nonce, record);
  if ("identity" in found) {
    await deps.sandboxes.reopen(session, sessionFolder(deps.host.home, session));
    return { session: await setRunning(deps, session, found.identity, leaving), found };
  }
  if (session.status !== "PREPARING") {
    // Its server was killed between the two starts of its agent.
    if (!isSilentAtStart(session)) return { session, found };
    return beginAgain(deps, session, { token, ending, leaving });
  }
  await endUnidentified(deps, session);
  const signal = AbortSignal.any([ending.signal, leaving]);
  const prepared = await prepare(deps, session, signal);
  signal.throwIfAborted();
  const speaker = await speakerOf(deps, session, token);
  const { identity, session: started } = await startAgent(deps, prepared, speaker, signal);
  return { session: await setRunning(deps, started, identity, leaving), found: { identity } };
}

interface Surroundings {
  readonly token: string | undefined;
  readonly ending: Ending;
  readonly leaving: AbortSignal;
}

/** An agent that gives no answer at its start is started once more: most often its machine was busy. */
async function watchStarts(
  deps: ExecutionDependencies,
  first: Running,
  around: Surroundings,
): Promise<WorkerOutcome> {
  const { ending, leaving } = around;
  const startedAt = startOf(first);
  const outcome = await watchOver(deps, first, ending, leaving, startedAt);
  const isSilent = outcome.told?.verdict.failureCode === "AGENT_START_TIMEOUT";
  if (ending.signal.aborted || outcome.excess !== undefined || !isSilent) return outcome;
  const session = await insist(
    () => deps.prisma.workerSession.findUniqueOrThrow({ where: { id: first.session.id } }),
    waitOut(leaving, deps.logger),
  );
  const isOurs = session.status === "RUNNING" && session.attempt === first.session.attempt;
  if (!isOurs || startsOf(session) > 1) return outcome;
  const second = await insist(
    () => beginAgain(deps, session, around),
    waitOut(AbortSignal.any([ending.signal, leaving]), deps.logger),
  );
  return watchOver(deps, second, ending, leaving, startedAt);
}

/** In the worktree of its first start, which has done nothing there. */
async function beginAgain(
  deps: ExecutionDependencies,
  session: WorkerSession,
  { token, ending, leaving }: Surroundings,
): Promise<Running> {
  await endUnidentified(deps, session);
  const { repositoryId, worktreeId } = session;
  if (repositoryId === null || worktreeId === null) {
    throw new Error("the session's repository or worktree is gone");
  }
  const [repository, worktree] = await Promise.all([
    deps.prisma.repository.findUniqueOrThrow({ where: { id: repositoryId } }),
    deps.prisma.worktree.findUniqueOrThrow({ where: { id: worktreeId } }),
  ]);
  const signal = AbortSignal.any([ending.signal, leaving]);
  const speaker = await speakerOf(deps, session, token);
  const ready = { session, repository, worktree };
  const { identity, session: started } = await startAgent(deps, ready, speaker, signal, 2);
  const launch = readLaunch(started, sessionNonce(session));
  if (launch !== undefined) {
    await deps.prisma.workerSession.updateMany({
      where: { id: session.id, attempt: session.attempt },
      data: { launch: launchAsJson({ ...launch, identity }) },
    });
  }
  deps.logger.info({ branch: session.branch, agent: session.agent }, "the agent is started again");
  return { session: started, found: { identity } };
}

function startsOf(session: WorkerSession): number {
  return readTalk(session.talk)?.starts ?? 1;
}

/** Whether its agent is to be started again, or was about to be. */
function isSilentAtStart(session: WorkerSession): boolean {
  const talk = readTalk(session.talk);
  if (talk?.state.phase !== "starting") return false;
  const isSilent = talk.overruled?.failureCode === "AGENT_START_TIMEOUT";
  return startsOf(session) === 1 ? isSilent : !isSilent && talk.version === 0;
}

function startOf({ session, found }: Running): Date {
  return new Date(
    "identity" in found ? found.identity.startedAt : (session.startedAt ?? Date.now()),
  );
}

/** An agent that an earlier try had begun to start, when it was killed before the agent told who it is. */
async function endUnidentified(
  { host }: ExecutionDependencies,
  session: WorkerSession,
): Promise<void> {
  const folder = sessionFolder(host.home, session);
  await terminateAll({ identity: undefined, nonce: sessionNonce(session), graceMs: 0 });
  await removeSessionFolder(folder);
}

/** The token comes with the taking of the session; one that was lost with its server is made anew. */
async function speakerOf(
  { prisma }: ExecutionDependencies,
  session: WorkerSession,
  token: string | undefined,
): Promise<{ token: string; parentSession: string }> {
  const parent = await prisma.parentSession.findUniqueOrThrow({
    where: { id: session.parentSessionId },
  });
  if (token !== undefined) return { token, parentSession: parent.name };
  const fresh = createWorkerToken();
  await prisma.workerSession.update({
    where: { id: session.id },
    data: { tokenHash: fresh.hash },
  });
  return { token: fresh.token, parentSession: parent.name };
}

async function setRunning(
  { prisma, logger }: ExecutionDependencies,
  session: WorkerSession,
  identity: Identity,
  leaving: AbortSignal,
): Promise<WorkerSession> {
  if (session.status !== "PREPARING") return session;
  const record = () =>
    prisma.$transaction(async (transaction) => {
      const before = await lockWorker(transaction, session.id);
      // The answer to an earlier try was lost.
      if (before.status === "RUNNING" && before.attempt === session.attempt) {
        return { session: before };
      }
      const talk = readTalk(before.talk);
      const launch = readLaunch(before, sessionNonce(session));
      const result = await changeWorker(transaction, session.id, {
        status: "RUNNING",
        reason: null,
        attempt: session.attempt,
        data: {
          // When it became RUNNING first, whichever attempt that was.
          startedAt: session.startedAt ?? new Date(identity.startedAt),
          ...(launch === undefined ? {} : { launch: launchAsJson({ ...launch, identity }) }),
          ...(talk === undefined ? {} : { talk: asJson({ ...talk, firstEvents: [] }) }),
        },
      });
      if (result === undefined) return undefined;
      // The first is the worker's own stream: see tellBoth.
      const [own, ...others] = result.appends;
      if (own === undefined) throw new Error("a change of status that nobody is told of");
      const told = { ...own, events: [...own.events, ...(talk?.firstEvents ?? [])] };
      await appendEvents(transaction, [told, ...others]);
      return result;
    });
  const changed = await insist(record, waitOut(leaving, logger));
  if (changed === undefined) throw new Error("the session was given to another attempt");
  logger.info({ branch: session.branch, agent: session.agent }, "the worker runs");
  return changed.session;
}

async function watchOver(
  deps: ExecutionDependencies,
  { session, found }: Running,
  ending: Ending,
  leaving: AbortSignal,
  /** Of the agent's first start: its session's timeout counts from then. */
  clockFrom: Date,
): Promise<WorkerOutcome> {
  const { pool, notices, logger, killGraceMs } = deps;
  const folder = sessionFolder(deps.host.home, session);
  const { secrets } = deps.host;
  const startedAt = startOf({ session, found });
  const exitKey = readLaunch(session, sessionNonce(session))?.exitKey;
  const exitFile = { folder, exitKey };
  if ("identity" in found && !(await hasEndedInTime(session, exitFile, clockFrom, logger))) {
    ending.startClock(session.timeoutSeconds, clockFrom);
  }
  const offsets = { stdout: Number(session.stdoutOffset), stderr: Number(session.stderrOffset) };
  const watched = {
    folder,
    found,
    nonce: sessionNonce(session),
    exitKey,
    offsets,
    killGraceMs,
    ending: ending.signal,
    onEnded: () => {
      ending.stopClock();
    },
    leaving,
    logger,
  };
  // Written by beginTalk alone; null: it was started by a version that knew plain agents alone.
  const protocol = protocolOf(session.protocol ?? "plain");
  if (protocol === undefined) {
    const store = { pool, notices, session, offsets, secrets, signal: leaving, logger };
    const output = createOutputStore(store);
    const ended = await supervise({ ...watched, output, talk: undefined });
    tellAgent(session, startedAt, ended.exit);
    return { ...ended, told: null };
  }
  const talk = createTalkKeeper({
    ...deps,
    session,
    protocol,
    folder,
    startedAt,
    secrets,
    ending: ending.signal,
    leaving,
  });
  try {
    if ("identity" in found) talk.begin();
    const ended = await supervise({
      ...watched,
      output: { store: (channel, chunk) => talk.hear(channel, chunk), flush: () => talk.flush() },
      talk,
    });
    const { exit } = ended;
    tellAgent(session, startedAt, exit);
    return { ...ended, told: talk.conclude(exit.kind === "exited" ? exit : undefined) };
  } finally {
    talk.dispose();
  }
}

/** While no server was there to see it. */
async function hasEndedInTime(
  { timeoutSeconds }: WorkerSession,
  file: ExitFile,
  startedAt: Date,
  logger: Logger,
): Promise<boolean> {
  if (timeoutSeconds === null) return false;
  const exit = await orDamaged(() => readExit(file), logger);
  if (typeof exit === "string" || exit?.kind !== "exited") return false;
  return Date.parse(exit.endedAt) < startedAt.getTime() + timeoutSeconds * 1000;
}

async function isToBeCleaned(
  { worktrees, logger }: ExecutionDependencies,
  { cleanup, worktreeId }: WorkerSession,
): Promise<boolean> {
  if (cleanup === "KEEP" || worktreeId === null) return false;
  try {
    return await worktrees.isClean(worktreeId);
  } catch (error) {
    if (isOutage(error)) throw error;
    logger.warn({ err: error }, "git could not tell whether a worktree holds work");
    return false;
  }
}

/** An attempt that was replaced, or taken for lost, has no end of its own: its worktree stays as it is. */
async function cleanUp(
  deps: ExecutionDependencies,
  session: WorkerSession,
  ended: WorkerSession | undefined,
  isChecked: boolean,
): Promise<void> {
  const { worktrees, logger, host } = deps;
  try {
    const wanted =
      ended?.cleanup === "ALWAYS" ||
      (ended?.cleanup === "ON_SUCCESS" && ended.status === "SUCCEEDED");
    const [isGone] = await Promise.all([
      !wanted || ended.worktreeId === null || worktrees.cleanUp(ended.worktreeId, { isChecked }),
      removeSessionFolder(sessionFolder(host.home, session)),
    ]);
    if (!isGone) {
      logger.info(
        { worker: workerName(session) },
        "its worktree holds work or is in use: it stays",
      );
    }
  } catch (error) {
    // The session's status stands; what is left over is put right by the next sweep.
    logger.warn({ err: error, worker: workerName(session) }, "a session was not cleaned up");
  }
}
