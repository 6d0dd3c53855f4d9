// The talk with an agent as its session's row holds it.
import type { Prisma } from "../../generated/prisma/client.ts";
import type { AgentEvent, AgentVerdict, TalkState } from "../../agents/talk.ts";

export interface StoredTalk {
  /** One more with each change: a change that was committed, but whose answer was lost, is not made twice. */
  readonly version: number;
  /** In its protocol's own shape. */
  readonly state: TalkState;
  /** Lines for the agent that may not be in its input file yet. */
  readonly outbox: readonly string[];
  /** Where in that file they begin, in bytes. */
  readonly outboxOffset: number;
  /** Permission requests that wait for somebody's answer, by their ids. */
  readonly pending: readonly string[];
  /** Set when nothing more will be said: no message is taken any more. */
  readonly isClosed: boolean;
  /** What ended it, where that wasn't the agent's own doing: a limit, or silence. */
  readonly overruled: AgentVerdict | null;
  /** Bytes of what it said that were counted: so much is kept, see output-meter.ts. Default: 0. */
  readonly kept?: number;
  /** The end of what it printed on standard error, by which a crash is explained. Default: nothing. */
  readonly errors?: string;
  /** An event whose text may end in the beginning of a secret: what comes next shows it. Default: none. */
  readonly held?: AgentEvent | null;
  /** Which start of the agent within its attempt this is. Default: 1. */
  readonly starts?: number;
  /** What was said before the agent ran, and is told when it does. */
  readonly firstEvents: readonly AgentEvent[];
}

/** Only this folder and the start of a session write it, as a StoredTalk. */
export function readTalk(value: unknown): StoredTalk | undefined {
  return value === null || value === undefined ? undefined : (value as StoredTalk);
}

/** For Prisma, whose type for JSON knows no interfaces. */
export function asJson(talk: StoredTalk): Prisma.InputJsonObject {
  return talk as unknown as Prisma.InputJsonObject;
}

/** As the agent reads them. */
export function outboxBytes(lines: readonly string[]): Buffer {
  return Buffer.from(lines.map((line) => `${line}\n`).join(""));
}
