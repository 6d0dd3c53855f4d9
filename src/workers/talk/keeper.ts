// Keeps up the talk with a running agent: hears what it says, says what it is to hear, and ends it.
import { setImmediate } from "node:timers/promises";
import { note } from "../../agents/said.ts";
import type { AgentEvent, AgentExit, AgentVerdict, Protocol, Step } from "../../agents/talk.ts";
import type { Pool, PrismaClient } from "../../database/client.ts";
import type { Notices } from "../../events/notices.ts";
import type { WorkerSession } from "../../generated/prisma/client.ts";
import type { Logger } from "../../log.ts";
import type { OutputChannel, OutputChunk } from "../../process/tail.ts";
import { untilAborted } from "../../until-aborted.ts";
import { workerTopic } from "../events.ts";
import { createOutputMeter, outputMarker } from "../output-meter.ts";
import { OutputRefused } from "../output.ts";
import type { Secrets } from "../secrets.ts";
import { createConversation } from "./conversation.ts";
import { deliver } from "./deliver.ts";
import { createEar } from "./ear.ts";
import { createLimits } from "./limits.ts";
import type { Line } from "./lines.ts";
import { readTalk, type StoredTalk } from "./stored.ts";

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
  /** Within which it must have answered what comes before its first turn, in milliseconds. */
  readonly startTimeoutMs: number;
  readonly secrets: Secrets;
  /** Aborted when the session is to be ended: then no further turn begins. */
  readonly ending: AbortSignal;
  /** Aborted when the server stops: the next one goes on. */
  readonly leaving: AbortSignal;
  readonly logger: Logger;
}

export interface TalkKeeper {
  /** Says what an earlier server had not come to say, and what was asked for meanwhile. */
  begin(): void;
  /** @throws OutputRefused where another attempt took over, or the session has ended */
  hear(channel: OutputChannel, chunk: OutputChunk): Promise<void>;
  /** Hears what both files still hold; called when they have been read to their ends. */
  flush(): Promise<void>;
  /** Asks the agent to end its turn, and resolves when it has, at the latest when the signal is aborted. */
  interrupt(signal: AbortSignal): Promise<void>;
  /** Aborted when nothing more will be said: the agent's input is to be ended. */
  readonly closed: AbortSignal;
  /** Milliseconds that the agent may take to end itself then. */
  readonly closeGraceMs: number;
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

/** How long an agent whose turn a limit ends may take over that. */
const interruptMs = 5_000;

/** Of standard error; enough for the line that says why an agent crashed. */
const keptErrors = 2_000;

/** What a tool call's row takes beside its words. */
const callBytes = 128;

/** How long lines are read at a stretch: an agent may print thousands at once, and others wait. */
const stretchMs = 20;

/** Some agents take 7 s to end themselves once their input has ended. */
const closeGraceMs = 10_000;

export function createTalkKeeper(options: TalkKeeperOptions): TalkKeeper {
  const { prisma, session, protocol, leaving, logger } = options;
  const meter = createOutputMeter(readTalk(session.talk)?.kept ?? 0);
  const ear = createEar(session, options.secrets, meter);
  const patience = {
    signal: leaving,
    onFailure(error: unknown) {
      logger.warn({ err: error }, "the talk with the agent waits for the database");
    },
  };
  const conversation = createConversation({ ...options, offsets: () => ear.offsets(), patience });
  const limits = createLimits(prisma, session, patience);
  const findReached = () => limits.findReached(conversation.talk.state);
  const disposing = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let unwatch: (() => void) | undefined;
  /** Steps are taken one after the other, whatever they come from. */
  let last: Promise<unknown> = Promise.resolve();

  function inTurn<T>(act: () => Promise<T>): Promise<T> {
    const next = last.then(act);
    last = next.catch(() => undefined);
    return next;
  }

  /** From outside of a step: a failure here must not be lost, and ends the talk. */
  function soon(what: string, act: () => Promise<void>): void {
    inTurn(act).catch((error: unknown) => {
      if (leaving.aborted || disposing.signal.aborted || error instanceof OutputRefused) return;
      logger.error({ err: error }, what);
      conversation.close();
    });
  }

  async function serve(): Promise<void> {
    if (!protocol.isSpokenTo || options.ending.aborted) return;
    await deliver(conversation, { ...options, findReached, patience });
  }

  async function hearLines(heard: readonly Line[]): Promise<void> {
    if (heard.length === 0) return;
    const events: AgentEvent[] = [];
    const lines: string[] = [];
    let pausedAt = performance.now();
    for (const line of heard) {
      const step = hearLine(line);
      conversation.advance(step.state);
      events.push(...step.events.flatMap(withinLimit));
      lines.push(...step.lines);
      if (performance.now() - pausedAt < stretchMs) continue;
      await setImmediate();
      pausedAt = performance.now();
    }
    const { state } = conversation.talk;
    await conversation.take({ step: { state, events, lines }, patch: { kept: meter.bytes } });
    await enforceLimits();
    await serve();
  }

  function hearLine({ text, isCut }: Line): Step<StoredTalk["state"]> {
    const { state } = conversation.talk;
    if (!isCut) return protocol.read(state, text);
    const output = { channel: "STDOUT", text: `${text}\n` } as const;
    return { state, events: [{ type: "output", payload: output }], lines: [] };
  }

  async function hearError(text: string): Promise<void> {
    if (text === "") return;
    const payload = { channel: "STDERR", text } as const;
    const { state, errors = "" } = conversation.talk;
    const next = protocol.readError?.(state, text) ?? state;
    await conversation.take({
      step: { state: next, events: [{ type: "output", payload }], lines: [] },
      patch: { kept: meter.bytes, errors: `${errors}${text}`.slice(-keptErrors) },
    });
  }

  /** As of other output, so much is kept; what the session's course depends on always is. */
  function withinLimit(event: AgentEvent): readonly AgentEvent[] {
    if (event.type === "permission" || event.type === "usage") return [event];
    const { payload } = event;
    const text = "text" in payload ? payload.text : payload.title + (payload.content ?? "");
    switch (meter.take(text, event.type === "toolCall" ? callBytes : 0)) {
      case "kept":
        return [event];
      case "last":
        return [event, { type: "output", payload: { channel: "STDOUT", text: outputMarker } }];
      case "dropped":
        return [];
    }
  }

  /** A turn that has ended is over, whatever it took: the next one is not begun. */
  async function enforceLimits(find = findReached): Promise<void> {
    const { overruled, state } = conversation.talk;
    if (overruled !== null || state.phase !== "busy") return;
    const reached = await find();
    if (reached !== undefined) await overrule(reached);
  }

  async function overrule(overruled: AgentVerdict): Promise<void> {
    const { talk } = conversation;
    if (talk.isClosed || talk.overruled !== null) return;
    logger.info({ reason: overruled.reason }, "the agent's turn is ended");
    if (protocol.isSpokenTo && talk.state.phase === "busy") {
      await conversation.ask({ kind: "interrupt" }, { patch: { overruled } });
      // What it is doing may take a while to end, or never do so.
      timer = setTimeout(() => {
        conversation.close();
      }, interruptMs);
    } else {
      await conversation.take({ patch: { overruled, isClosed: true } });
      conversation.close();
    }
  }

  function watchStart(): void {
    if (protocol.hasStartLimit !== true || conversation.talk.state.phase !== "starting") return;
    const { startTimeoutMs } = options;
    const elapsed = Date.now() - options.startedAt.getTime();
    timer = setTimeout(
      () => {
        soon("a silent agent could not be ended", async () => {
          if (conversation.talk.state.phase === "starting") await endSilent();
        });
      },
      Math.max(0, startTimeoutMs - elapsed),
    );
  }

  /** Its first start is not its last: see execution.ts. */
  async function endSilent(): Promise<void> {
    const { talk } = conversation;
    if (talk.isClosed || talk.overruled !== null) return;
    const request = protocol.waitsFor?.(talk.state) ?? "its start";
    const seconds = String(options.startTimeoutMs / 1000);
    const silence = `the agent gave no answer to ${request} within ${seconds} s of its start`;
    const isFirst = (talk.starts ?? 1) === 1;
    logger.warn({ request, isFirst }, "an agent did not answer at its start");
    await conversation.take({
      ...(isFirst ? { events: [note(`${silence}: it is started again`)] } : {}),
      patch: {
        overruled: {
          succeeded: false,
          reason: `${silence}, and not when it was started again: see what it printed, or raise FACTORY_START_TIMEOUT`,
          failureCode: "AGENT_START_TIMEOUT",
        },
        isClosed: !isFirst,
      },
    });
    conversation.close();
  }

  return {
    closed: conversation.closed,
    get closeGraceMs() {
      // Whom nobody speaks to doesn't wait for the end of its input, and neither does who doesn't answer.
      const isSilent = conversation.talk.overruled?.failureCode === "AGENT_START_TIMEOUT";
      return protocol.isSpokenTo && !isSilent ? closeGraceMs : 0;
    },
    begin() {
      // What comes while the first turn is taken waits for it.
      unwatch = options.notices.watch(workerTopic(session.id), () => {
        soon("what was said to the agent could not be passed on", async () => {
          await enforceLimits(() => limits.findReachedByOthers());
          await serve();
        });
      });
      soon("the talk with the agent could not go on", async () => {
        await conversation.say();
        const { isClosed, overruled, state } = conversation.talk;
        const isSilent = state.phase === "starting" && overruled !== null;
        if (isClosed || isSilent) conversation.close();
        else await serve();
      });
      watchStart();
    },
    hear: (channel, chunk) =>
      inTurn(() =>
        channel === "stdout" ? hearLines(ear.stdout(chunk)) : hearError(ear.stderr(chunk)),
      ),
    flush: () =>
      inTurn(async () => {
        const { lines, stderr } = ear.flush();
        await hearLines(lines);
        await hearError(stderr);
        await conversation.letGo();
      }),
    async interrupt(signal) {
      if (!protocol.isSpokenTo) return;
      const interrupted = inTurn(async () => {
        const { isClosed, state } = conversation.talk;
        if (!isClosed && state.phase === "busy") await conversation.ask({ kind: "interrupt" });
      }).then(async () => {
        if (conversation.talk.state.phase === "busy") await conversation.turnEnded();
      });
      await untilAborted(interrupted, signal).catch((error: unknown) => {
        // It doesn't end its turn, or the database is away: then it is ended itself.
        if (!signal.aborted) throw error;
      });
    },
    conclude: (exit) => {
      const { overruled, state, isClosed, errors } = conversation.talk;
      const verdict = overruled ?? protocol.conclude(state, exit && { ...exit, errors });
      return { verdict, lastMessage: state.lastMessage, isClosed };
    },
    dispose() {
      disposing.abort();
      unwatch?.();
      clearTimeout(timer);
    },
  };
}
