// One subscription over one connection, as server-sent events: lighter to load than a WebSocket.
import type { IncomingMessage } from "node:http";
import { text as readText } from "node:stream/consumers";
import { createParser } from "eventsource-parser";
import { readAnswer, refuse, Refusal, unauthenticated, type Answer } from "./ask.ts";
import type { Server } from "./connection.ts";
import { otherVersion, post } from "./http.ts";

/** The server shows every 12 seconds that it is there. */
const silenceMs = 40_000;
/** A worker's output comes in events of 64 KiB, a diff has 1 MiB. */
const longestEventCharacters = 16 * 1024 * 1024;

/** It ended otherwise than by the server's word. */
export class LostConnection extends Error {
  override readonly name = "LostConnection";
}

export interface Opening {
  readonly body: string;
  readonly signal: AbortSignal;
  /** The server has taken it. */
  readonly onOpen: () => void;
}

/**
 * The data of each event, until the server completes the stream.
 * @throws LostConnection, Refusal; whatever the connection fails with
 */
export async function* openStream(
  server: Server,
  { body, signal, onOpen }: Opening,
): AsyncGenerator<unknown, void> {
  const response = await post(server, { body, accept: "text/event-stream", signal });
  try {
    const version = otherVersion(response);
    if (response.statusCode === 401) throw unauthenticated(server);
    const isStream = response.headers["content-type"]?.startsWith("text/event-stream") === true;
    if (!isStream) throw await readRefusal(response, version);
    onOpen();
    response.setTimeout(silenceMs, () => {
      response.destroy(new LostConnection("the server was silent for too long"));
    });
    for await (const { event, data } of readEvents(response)) {
      if (event === "complete") return;
      const answer = event === "next" ? readAnswer(data) : undefined;
      if (answer === undefined) continue;
      if (answer.faults.length > 0) throw refuse(answer, version);
      yield answer.data;
    }
    throw new LostConnection("the server closed the connection");
  } finally {
    response.destroy();
  }
}

async function readRefusal(
  response: IncomingMessage,
  version: string | undefined,
): Promise<Refusal> {
  const answer: Answer | undefined = readAnswer(await readText(response));
  if (answer !== undefined && answer.faults.length > 0) return refuse(answer, version);
  const status = String(response.statusCode);
  // Something on the way, such as a proxy whose server is away.
  return new Refusal("SERVICE_UNAVAILABLE", `SERVICE_UNAVAILABLE: the answer was HTTP ${status}`);
}

interface ServerSentEvent {
  readonly event: string | undefined;
  readonly data: string;
}

async function* readEvents(response: IncomingMessage): AsyncGenerator<ServerSentEvent> {
  const ready: ServerSentEvent[] = [];
  const parser = createParser({
    maxBufferSize: longestEventCharacters,
    onEvent({ event, data }) {
      ready.push({ event, data });
    },
    onError(error) {
      if (error.type === "max-buffer-size-exceeded") throw error;
    },
  });
  response.setEncoding("utf8");
  for await (const chunk of response) {
    parser.feed(String(chunk));
    yield* ready.splice(0);
  }
}
