// What a route answers with, held to what its description says.
import type { z } from "zod";
import type { ServerSentEvents } from "./event-stream.ts";

export type Status = 200 | 201 | 202 | 204;

export interface AnswerDefinition {
  readonly description: string;
  /** Of its JSON. */
  readonly body?: z.ZodType;
  /** Of each event's data, where it is a stream. */
  readonly events?: z.ZodType;
}
export type Answers = Readonly<Partial<Record<Status, AnswerDefinition>>>;

export interface AnyReply {
  readonly status: number;
  readonly body?: unknown;
  /** The path of what was made. */
  readonly location?: string;
  readonly events?: ServerSentEvents;
}

interface ReplyWith<Code extends Status, Body> extends AnyReply {
  readonly status: Code;
  readonly body: Body;
}
interface EventsReply extends AnyReply {
  readonly status: 200;
  readonly events: ServerSentEvents;
}
interface EmptyReply extends AnyReply {
  readonly status: 204;
}

type ReplyAs<Code extends Status, Answer> = Answer extends { readonly events: z.ZodType }
  ? EventsReply
  : Answer extends { readonly body: infer Body extends z.ZodType }
    ? ReplyWith<Code, z.output<Body>>
    : EmptyReply;

/** Any of those that the definitions allow. */
export type Reply<Given extends Answers> = {
  [Code in Extract<keyof Given, Status>]: ReplyAs<Code, Given[Code]>;
}[Extract<keyof Given, Status>];

export function reply<Code extends Status, Body>(
  status: Code,
  body: Body,
  location?: string,
): ReplyWith<Code, Body> {
  return location === undefined ? { status, body } : { status, body, location };
}

export function replyWithEvents(events: ServerSentEvents): EventsReply {
  return { status: 200, events };
}

export const emptyReply: EmptyReply = { status: 204 };
