// A numbered stream over as many connections as it takes, without a gap or a repeat.
import { createBackoff } from "../backoff.ts";
import { explainNetworkFailure } from "../network-failure.ts";
import { notReached, Refusal } from "./ask.ts";
import { CommandError, findServer, type Server } from "./connection.ts";
import type { Document } from "./document.ts";
import { LostConnection, openStream } from "./stream.ts";

/** A server that is upgraded is back within this time. */
const patienceMs = 600_000;

export interface Numbered {
  readonly sequence: number;
}

/** What to do with a connection that breaks. */
export interface ConnectionWatch {
  /** It is lost, and tried again. */
  readonly onLost?: ((reason: string) => void) | undefined;
  /** It stands again. */
  readonly onFound?: (() => void) | undefined;
}

export interface Following<
  Data,
  Variables extends object,
  Event extends Numbered,
> extends ConnectionWatch {
  readonly document: Document<Data, Variables & { readonly after: number }>;
  readonly variables: Variables;
  /** What comes after this sequence. */
  readonly after: number;
  readonly pick: (data: Data) => Event;
  /** Whether all has come when the server says that it has: one that stops may say so too. */
  readonly isOver: () => boolean;
  /** Default: never aborted. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Of a server that has answered before: one that is away is waited for. Ends when all has come, or the signal is aborted.
 * @throws Refusal; CommandError where no connection is made for too long
 */
export async function* follow<Data, Variables extends object, Event extends Numbered>(
  server: Server,
  following: Following<Data, Variables, Event>,
): AsyncGenerator<Event, void> {
  const { document, variables, pick, onLost, onFound } = following;
  const signal = following.signal ?? new AbortController().signal;
  const backoff = createBackoff({ firstMs: 200, longestMs: 5_000 });
  let { after } = following;
  let current = server;
  const outage: { since?: number } = {};
  const onOpen = () => {
    if (outage.since !== undefined) onFound?.();
    delete outage.since;
  };
  for (;;) {
    try {
      const body = JSON.stringify({ query: document.text, variables: { ...variables, after } });
      for await (const data of openStream(current, { body, signal, onOpen })) {
        backoff.reset();
        // As the document says, which a test holds against the schema.
        const event = pick(data as Data);
        after = event.sequence;
        yield event;
      }
      if (following.isOver()) return;
      throw new LostConnection("the server ended the stream");
    } catch (error) {
      if (signal.aborted) return;
      if (!isPassing(error)) throw error;
      if (outage.since === undefined) onLost?.(explainNetworkFailure(error));
      outage.since ??= performance.now();
      if (performance.now() - outage.since > patienceMs) throw notReached(current, error);
    }
    await backoff.wait(signal);
    current = await findAgain(current);
  }
}

/** Whether the next try may meet a server that is there. */
function isPassing(error: unknown): boolean {
  if (error instanceof Refusal) return error.code === "SERVICE_UNAVAILABLE";
  if (error instanceof LostConnection) return true;
  // The system's own, such as ECONNREFUSED.
  return error instanceof Error && "code" in error && typeof error.code === "string";
}

/** A server that was started again may listen elsewhere. */
async function findAgain(before: Server): Promise<Server> {
  try {
    return await findServer();
  } catch (error) {
    if (error instanceof CommandError) return before;
    throw error;
  }
}
