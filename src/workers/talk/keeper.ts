// Keeps up the talk with a running agent: hears what it says, says what it is to hear, and ends it.
import type {
  AgentEvent,
  AgentExit,
  AgentVerdict,
  Protocol,
  Step,
  TalkRequest,
} from "../../agents/talk.ts";
import type { Pool, PrismaClient } from "../../database/client.ts";
import { describeFailure } from "../../database/failure.ts";
import { insist } from "../../database/insist.ts";
import type { Notices } from "../../events/notices.ts";
import type { WorkerSession } from "../../generated/prisma/client.ts";
import type { Logger } from "../../log.ts";
import { appendInput } from "../../process/input.ts";
import type { OutputChannel, OutputChunk, OutputOffsets } from "../../process/tail.ts";
import { untilAborted } from "../../until-aborted.ts";
import { workerTopic } from "../events.ts";
import { mostOutputBytes, OutputRefused } from "../output.ts";
import { createRedactor, createWholeRedactor } from "../redact.ts";
import { findLimit, findParentLimit } from "./limits.ts";
import { createLineReader, type Line } from "./lines.ts";
import { recordTalk, type TalkChange } from "./record.ts";
import { outboxBytes, readTalk, type StoredTalk } from "./stored.ts";

export interface TalkKeeperOptions {
  readonly prisma: PrismaClient;
  readonly pool: Pool;
  readonly notices: Notices;
  readonly session: WorkerSession;
  readonly protocol: Protocol;
  /** The session's folder. */
  readonly folder: string;
  /** When the agent started. */
  readonly startedAt: Date;
  readonly secrets: readonly string[];
  /** Aborted when the server stops: the next one goes on. */
  readonly leaving: AbortSignal;
  readonly logger: Logger;
}

export interface TalkKeeper {
  /** Says what an earlier server had not come to say, and what was asked for meanwhile. */
  begin(): Promise<void>;
  /** @throws OutputRefused where another attempt took over, or the session has ended */
  hear(channel: OutputChannel, chunk: OutputChunk): Promise<void>;
  /** Hears what both files still hold; called when they have been read to their ends. */
  flush(): Promise<void>;
  /** Asks the agent to end its turn, and resolves when it has, at the latest when the signal is aborted. */
  interrupt(signal: AbortSignal): Promise<void>;
  /** Aborted when nothing more will be said: the agent's input is to be ended. */
  readonly closed: AbortSignal;
  /** What became of the work, as far as the agent told. */
  conclude(exit: AgentExit | undefined): Told;
  dispose(): void;
}

export interface Told {
  readonly verdict: AgentVerdict;
  readonly lastMessage: string | null;
  /** Nothing was left to be said: how its process ended doesn't matter. */
  readonly isClosed: boolean;
}

export function createTalkKeeper(options: TalkKeeperOptions): TalkKeeper {
  const { prisma, session, protocol, folder, leaving, logger } = options;
  const stored = readTalk(session.talk);
  if (stored === undefined) throw new Error("the session has no talk to go on with");
  let talk: StoredTalk = stored;
  const lines = createLineReader(Number(session.stdoutOffset));
  const redact = createWholeRedactor(options.secrets);
  const errors = createRedactor(options.secrets);
  /** How far standard error was read, and how much of it is stored. */
  const stderr = { read: Number(session.stderrOffset), stored: Number(session.stderrOffset) };
  const closed = new AbortController();
  const turnEnded = { now: Promise.withResolvers<void>() };
  const disposing = new AbortController();
  let startTimer: NodeJS.Timeout | undefined;
  let unwatch: (() => void) | undefined;
  /** For which cost the parents' limits were looked at last. */
  let checkedCostUsd: number | null = null;
  /** Steps are taken one after the other, whatever they come from. */
  let last: Promise<unknown> = Promise.resolve();

  function inTurn<T>(act: () => Promise<T>): Promise<T> {
    const next = last.then(act);
    last = next.catch(() => undefined);
    return next;
  }

  function offsets(): OutputOffsets {
    return { stdout: lines.offset, stderr: stderr.stored };
  }

  const patience = {
    signal: leaving,
    onFailure(error: unknown) {
      logger.warn({ err: error }, "the talk with the agent waits for the database");
    },
  };

  interface Change {
    readonly step?: Step<StoredTalk["state"]> | undefined;
    /** The ids of permission requests that the step answers. */
    readonly answered?: readonly string[];
    readonly more?: Partial<Pick<TalkChange, "delivered" | "isClosing">>;
    readonly patch?: Partial<Pick<StoredTalk, "overruled" | "isClosed">>;
    readonly events?: readonly AgentEvent[];
  }

  /** Stores the step, and says then what it says. False: a message waits, so the talk isn't closed. */
  async function take({ step, answered = [], more, patch, events = [] }: Change): Promise<boolean> {
    const heard = mergeTexts([...(step?.events ?? []), ...events]);
    const asked = heard.flatMap((event) =>
      event.type === "permission" && event.payload.request.answer === null
        ? [event.payload.request.id]
        : [],
    );
    const state = step?.state ?? talk.state;
    const isBetweenTurns = state.phase === "idle" || state.phase === "ended";
    const pending = isBetweenTurns
      ? []
      : [...talk.pending, ...asked].filter((id) => !answered.includes(id));
    const next: StoredTalk = {
      ...talk,
      ...patch,
      version: talk.version + 1,
      state,
      outbox: step?.lines ?? [],
      pending,
    };
    const change = { session, talk: next, events: heard, offsets: offsets(), ...more };
    const recorded = await insist(() => recordTalk(options, change), patience);
    if (recorded === "busy") return false;
    if (recorded === "refused") throw new OutputRefused();
    talk = next;
    await sayOutbox();
    if (isBetweenTurns) turnEnded.now.resolve();
    return true;
  }

  async function sayOutbox(): Promise<void> {
    if (talk.outbox.length === 0) return;
    const bytes = outboxBytes(talk.outbox);
    try {
      await appendInput(folder, { offset: talk.outboxOffset, bytes });
    } catch (error) {
      // It would wait for ever for what it isn't told. Nothing of this is stored: a next server tries again.
      const { code, message } = describeFailure(error, logger);
      talk = {
        ...talk,
        overruled: { succeeded: false, reason: message, failureCode: code },
        isClosed: true,
      };
      closed.abort();
      return;
    }
    talk = { ...talk, outbox: [], outboxOffset: talk.outboxOffset + bytes.length };
  }

  async function ask(request: TalkRequest, change: Omit<Change, "step"> = {}): Promise<void> {
    const step = protocol.ask(talk.state, request);
    // That an answer was given is told where it was given.
    const events = step.events.filter(({ type }) => type !== "permission");
    await take({ ...change, step: { ...step, events } });
  }

  /** Gives the agent what others left for it, and closes the talk where nothing is left to say. */
  async function serve(): Promise<void> {
    if (talk.isClosed || !protocol.isSpokenTo) return;
    if (talk.pending.length > 0) await passAnswers();
    while (talk.state.phase === "idle" && talk.overruled === null) {
      const message = await insist(
        () =>
          prisma.workerMessage.findFirst({
            where: { sessionId: session.id, deliveredAt: null },
            orderBy: { id: "asc" },
          }),
        patience,
      );
      if (message === null) break;
      const overruled = await findReached();
      if (overruled !== undefined) {
        await take({ patch: { overruled } });
        break;
      }
      turnEnded.now = Promise.withResolvers();
      const { text } = message;
      await ask(
        { kind: "message", text },
        {
          more: { delivered: message.id },
          events: [{ type: "message", payload: { role: "USER", text } }],
        },
      );
    }
    await closeWhereDone();
  }

  async function passAnswers(): Promise<void> {
    const answers = await insist(
      () =>
        prisma.permissionRequest.findMany({
          where: {
            sessionId: session.id,
            requestId: { in: [...talk.pending] },
            answeredAt: { not: null },
          },
          orderBy: { answeredAt: "asc" },
        }),
      patience,
    );
    for (const { requestId, answer } of answers) {
      await ask({ kind: "answer", requestId, optionId: answer }, { answered: [requestId] });
    }
  }

  async function closeWhereDone(): Promise<void> {
    const { phase } = talk.state;
    if (talk.isClosed || (phase !== "idle" && phase !== "ended")) return;
    const isOver = phase === "ended" || talk.overruled !== null;
    const isTaken = await take({
      patch: { isClosed: true },
      ...(isOver ? {} : { more: { isClosing: true } }),
    });
    if (isTaken) closed.abort();
    else await serve();
  }

  /** From outside of a step: a failure here must not be lost, and ends the talk. */
  function soon(what: string, act: () => Promise<void>): void {
    inTurn(act).catch((error: unknown) => {
      if (leaving.aborted || disposing.signal.aborted || error instanceof OutputRefused) return;
      logger.error({ err: error }, what);
      closed.abort();
    });
  }

  function hearLine({ text, isCut }: Line): Step<StoredTalk["state"]> {
    const line = redact(text);
    if (!isCut) return protocol.read(talk.state, line);
    const output = { channel: "STDOUT", text: `${line}\n` } as const;
    return { state: talk.state, events: [{ type: "output", payload: output }], lines: [] };
  }

  async function hearLines(heard: readonly Line[]): Promise<void> {
    if (heard.length === 0) return;
    let state = talk.state;
    const events: AgentEvent[] = [];
    const said: string[] = [];
    for (const line of heard) {
      const step = hearLine(line);
      state = step.state;
      talk = { ...talk, state };
      events.push(...step.events);
      said.push(...step.lines);
    }
    await take({ step: { state, events: withinLimit(events), lines: said } });
    await enforceLimits();
    await serve();
  }

  /** As of other output, so much is kept; what the session's course depends on always is. */
  function withinLimit(events: readonly AgentEvent[]): readonly AgentEvent[] {
    if (lines.offset <= mostOutputBytes) return events;
    return events.filter(({ type }) => type === "permission" || type === "usage");
  }

  /** A turn that has ended is over, whatever it took: the next one is not begun. */
  async function enforceLimits(): Promise<void> {
    if (talk.overruled !== null || talk.state.phase !== "busy") return;
    const overruled = await findReached();
    if (overruled !== undefined) await overrule(overruled);
  }

  async function findReached(): Promise<AgentVerdict | undefined> {
    const own = findLimit(session, talk.state);
    const costUsd = talk.state.usage?.costUsd ?? null;
    if (own !== undefined || costUsd === null || costUsd === checkedCostUsd) return own;
    checkedCostUsd = costUsd;
    return insist(() => findParentLimit(prisma, session), patience);
  }

  async function overrule(overruled: AgentVerdict): Promise<void> {
    if (talk.isClosed || talk.overruled !== null) return;
    logger.info({ reason: overruled.reason }, "the agent's turn is ended");
    if (protocol.isSpokenTo && talk.state.phase === "busy") {
      await ask({ kind: "interrupt" }, { patch: { overruled } });
      // What it is doing may take a while to end, or never do so.
      startTimer = setTimeout(() => {
        closed.abort();
      }, interruptMs);
    } else {
      await take({ patch: { overruled, isClosed: true } });
      closed.abort();
    }
  }

  function watchStart(): void {
    const { startTimeoutMs } = protocol;
    if (startTimeoutMs === undefined || talk.state.phase !== "starting") return;
    const elapsed = Date.now() - options.startedAt.getTime();
    startTimer = setTimeout(
      () => {
        soon("a silent agent could not be ended", async () => {
          if (talk.state.phase !== "starting") return;
          await overrule({
            succeeded: false,
            reason: `the agent was not ready within ${String(startTimeoutMs / 1000)} s of its start: see what it printed`,
            failureCode: "AGENT_UNAVAILABLE",
          });
        });
      },
      Math.max(0, startTimeoutMs - elapsed),
    );
  }

  return {
    closed: closed.signal,
    async begin() {
      await inTurn(async () => {
        await sayOutbox();
        if (talk.isClosed) closed.abort();
        else await serve();
      });
      watchStart();
      unwatch = options.notices.watch(workerTopic(session.id), () => {
        soon("what was said to the agent could not be passed on", serve);
      });
    },
    hear: (channel, chunk) =>
      inTurn(async () => {
        if (channel === "stdout") {
          await hearLines(lines.push(chunk));
          return;
        }
        stderr.read = chunk.endOffset;
        const isKept = stderr.read <= mostOutputBytes;
        const text = errors.push(isKept ? chunk.text : "");
        stderr.stored = Math.max(0, stderr.read - errors.heldBytes());
        if (text !== "") await take({ events: [stderrEvent(text)] });
      }),
    flush: () =>
      inTurn(async () => {
        await hearLines(lines.flush());
        const rest = errors.flush();
        stderr.stored = stderr.read;
        if (rest !== "") await take({ events: [stderrEvent(rest)] });
      }),
    async interrupt(signal) {
      await inTurn(async () => {
        if (protocol.isSpokenTo && !talk.isClosed && talk.state.phase === "busy") {
          await ask({ kind: "interrupt" });
        }
      });
      if (talk.state.phase !== "busy" || !protocol.isSpokenTo) return;
      await untilAborted(turnEnded.now.promise, signal).catch((error: unknown) => {
        // It doesn't end its turn: then it is ended itself.
        if (!signal.aborted) throw error;
      });
    },
    conclude: (exit) => ({
      verdict: talk.overruled ?? protocol.conclude(talk.state, exit),
      lastMessage: talk.state.lastMessage,
      isClosed: talk.isClosed,
    }),
    dispose() {
      disposing.abort();
      unwatch?.();
      clearTimeout(startTimer);
    },
  };
}

/** How long an agent whose turn a limit ends may take over that. */
const interruptMs = 5_000;

function stderrEvent(text: string): AgentEvent {
  return { type: "output", payload: { channel: "STDERR", text } };
}

/** Agents send their words in small pieces, and print by lines: what came at once is one event. */
function mergeTexts(events: readonly AgentEvent[]): AgentEvent[] {
  const merged: AgentEvent[] = [];
  for (const event of events) {
    const whole = mergeTwo(merged.at(-1), event);
    if (whole === undefined) merged.push(event);
    else merged[merged.length - 1] = whole;
  }
  return merged;
}

function mergeTwo(before: AgentEvent | undefined, event: AgentEvent): AgentEvent | undefined {
  if (event.type === "message" && before?.type === "message") {
    const { role, text } = before.payload;
    if (role !== event.payload.role || role === "USER") return undefined;
    return { type: "message", payload: { role, text: text + event.payload.text } };
  }
  if (event.type === "output" && before?.type === "output") {
    const { channel, text } = before.payload;
    if (channel !== event.payload.channel) return undefined;
    return { type: "output", payload: { channel, text: text + event.payload.text } };
  }
  return undefined;
}
