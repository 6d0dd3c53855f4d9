// The talk as it stands: each step is stored before what it says is said, so that a server that is killed
// anywhere says and hears each thing once.
import type { AgentEvent, AgentVerdict, Protocol, Step, TalkRequest } from "../../agents/talk.ts";
import type { Pool, PrismaClient } from "../../database/client.ts";
import { describeFailure } from "../../database/failure.ts";
import { insist, type InsistOptions } from "../../database/insist.ts";
import type { Notices } from "../../events/notices.ts";
import type { WorkerSession } from "../../generated/prisma/client.ts";
import type { Logger } from "../../log.ts";
import { appendInput } from "../../process/input.ts";
import type { OutputOffsets } from "../../process/tail.ts";
import { OutputRefused } from "../output.ts";
import type { Secrets } from "../secrets.ts";
import { hideSecrets, hideInState } from "./hide.ts";
import { recordTalk, type TalkChange } from "./record.ts";
import { outboxBytes, readTalk, type StoredTalk } from "./stored.ts";

export interface ConversationOptions {
  readonly prisma: PrismaClient;
  readonly pool: Pool;
  readonly notices: Pick<Notices, "tell">;
  readonly session: WorkerSession;
  readonly protocol: Protocol;
  /** The session's folder. */
  readonly folder: string;
  /** What is heard by now: stored with each step. */
  readonly offsets: () => OutputOffsets;
  /** Ends the tries to store while the database is away. */
  readonly patience: InsistOptions;
  readonly secrets: Pick<Secrets, "redact" | "createRedactor">;
  readonly logger: Logger;
}

export interface Change {
  readonly step?: Step<StoredTalk["state"]> | undefined;
  /** The ids of permission requests that the step answers. */
  readonly answered?: readonly string[];
  readonly more?: Partial<Pick<TalkChange, "delivered" | "isClosing">>;
  readonly patch?: Partial<Pick<StoredTalk, "overruled" | "isClosed" | "kept" | "errors">>;
  readonly events?: readonly AgentEvent[];
}

/** Its functions are called one after the other: see `inTurn` in keeper.ts. */
export interface Conversation {
  readonly talk: StoredTalk;
  /** Between the steps that one piece of output makes; `take` stores where they have led. */
  advance(state: StoredTalk["state"]): void;
  /**
   * Stores the step, and says then what it says.
   * @returns false where it was to close the talk and a message waits
   * @throws OutputRefused where another attempt took over, or the session has ended
   */
  take(change: Change): Promise<boolean>;
  /** Takes the step that the request makes. */
  ask(request: TalkRequest, change?: Omit<Change, "step">): Promise<void>;
  /** Says what was stored but may not have been said. */
  say(): Promise<void>;
  /** Tells what was held back, since no more comes. */
  letGo(): Promise<void>;
  /** Resolves when the turn that goes on, or was the last, has ended. */
  turnEnded(): Promise<void>;
  /** Nothing more will be said. */
  close(): void;
  /** Aborted by `close`, and where what is to be said can't be. */
  readonly closed: AbortSignal;
}

export function createConversation(options: ConversationOptions): Conversation {
  const { session, protocol, folder, patience, secrets, logger } = options;
  const stored = readTalk(session.talk);
  if (stored === undefined) throw new Error("the session has no talk to go on with");
  let talk: StoredTalk = stored;
  /** As the row has it: the session's reason follows it. */
  let retrying = stored.state.retrying ?? null;
  let turn = Promise.withResolvers<void>();
  const closed = new AbortController();

  async function take(change: Change, isLast = false): Promise<boolean> {
    const { step, answered = [], more, patch, events = [] } = change;
    const state = hideInState(secrets.redact, step?.state ?? talk.state);
    const isBetweenTurns = state.phase === "idle" || state.phase === "ended";
    const { shown: heard, held } = hideSecrets(secrets, {
      events: [...(talk.held == null ? [] : [talk.held]), ...(step?.events ?? []), ...events],
      isWhole: isBetweenTurns || isLast,
    });
    const asked = heard.flatMap((event) =>
      event.type === "permission" && event.payload.request.answer === null
        ? [event.payload.request.id]
        : [],
    );
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
      held,
    };
    const recording = {
      session,
      talk: next,
      events: heard,
      offsets: options.offsets(),
      isReasonChanged: (state.retrying ?? null) !== retrying,
      ...more,
    };
    const recorded = await insist(() => recordTalk(options, recording), patience);
    if (recorded === "busy") return false;
    if (recorded === "refused") throw new OutputRefused();
    talk = next;
    retrying = state.retrying ?? null;
    await say();
    if (isBetweenTurns) turn.resolve();
    return true;
  }

  async function say(): Promise<void> {
    if (talk.outbox.length === 0) return;
    const bytes = outboxBytes(talk.outbox);
    try {
      await appendInput(folder, { offset: talk.outboxOffset, bytes });
    } catch (error) {
      // It would wait for ever for what it isn't told. Nothing of this is stored: a next server tries again.
      const { code, message } = describeFailure(error, logger);
      const overruled: AgentVerdict = { succeeded: false, reason: message, failureCode: code };
      talk = { ...talk, overruled, isClosed: true };
      closed.abort();
      return;
    }
    talk = { ...talk, outbox: [], outboxOffset: talk.outboxOffset + bytes.length };
  }

  return {
    get talk() {
      return talk;
    },
    async letGo() {
      if (talk.held != null) await take({}, true);
    },
    advance(state) {
      talk = { ...talk, state };
    },
    take: (change) => take(change),
    async ask(request, change = {}) {
      if (request.kind === "message") turn = Promise.withResolvers();
      const step = protocol.ask(talk.state, request);
      // That an answer was given is told where it was given.
      const events = step.events.filter(({ type }) => type !== "permission");
      await take({ ...change, step: { ...step, events } });
    },
    say,
    turnEnded: () => turn.promise,
    close() {
      closed.abort();
    },
    closed: closed.signal,
  };
}
