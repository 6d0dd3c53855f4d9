// Server-sent events. A reader that is slow holds back its source; one that has stopped reading is cut off, and
// goes on where it was when it comes again.
import { FactoryError } from "../errors.ts";

export interface ServerSentEvent {
  /** What the client says when it comes again, to go on there. */
  readonly id: number;
  readonly data: object;
}
/** Its `return()` ends it at once. */
export type ServerSentEvents = AsyncGenerator<ServerSentEvent>;

/** So often a comment is sent, so that nobody on the way takes the connection for dead. */
const keepAliveMs = 12_000;
/** A reader that has taken nothing for so many of them is cut off. */
const mostMissed = 4;
/** As many as there may be long polls; each may hold a batch of events. */
const mostStreams = 10_000;

export interface EventStreamsOptions {
  /** What to tell of an error that ends a stream; others than FactoryErrors are bugs. */
  readonly mask: (error: unknown) => { readonly code: string; readonly message: string };
  readonly keepAliveMs?: number;
}

export interface EventStreams {
  /** @param cut ends the connection, for a reader that doesn't read. @throws FactoryError */
  open(events: ServerSentEvents, cut: () => void): Response;
  /** Ends all, and refuses others. */
  close(): void;
}

export function createEventStreams(options: EventStreamsOptions): EventStreams {
  const endings = new Set<() => void>();
  let isClosed = false;

  return {
    open(events, cut) {
      if (isClosed || endings.size >= mostStreams) {
        events.return(undefined).catch(options.mask);
        throw isClosed
          ? new FactoryError("SERVICE_UNAVAILABLE", "the server is about to stop: try again")
          : new FactoryError(
              "LIMIT_EXCEEDED",
              `${String(mostStreams)} streams are open on this server: follow a parent rather than each of its workers`,
            );
      }
      const body = streamOf(events, {
        cut,
        mask: options.mask,
        keepAliveMs: options.keepAliveMs ?? keepAliveMs,
        begin: (end) => endings.add(end),
        ended: (end) => endings.delete(end),
      });
      return new Response(body, {
        headers: {
          "Content-Type": "text/event-stream; charset=utf-8",
          "Cache-Control": "no-cache, no-transform",
          // nginx would hold events back. Source: its ngx_http_proxy_module, proxy_buffering.
          "X-Accel-Buffering": "no",
        },
      });
    },
    close() {
      isClosed = true;
      for (const end of endings) end();
    },
  };
}

interface StreamOptions extends Required<EventStreamsOptions> {
  readonly cut: () => void;
  readonly begin: (end: () => void) => void;
  readonly ended: (end: () => void) => void;
}

function streamOf(
  events: ServerSentEvents,
  { cut, mask, keepAliveMs, begin, ended }: StreamOptions,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let isOver = false;
  let timer: NodeJS.Timeout | undefined;
  let finish: () => void = () => undefined;

  function release(): void {
    isOver = true;
    clearInterval(timer);
    ended(finish);
    events.return(undefined).catch(mask);
  }

  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        finish = () => {
          if (isOver) return;
          release();
          controller.close();
        };
        begin(finish);
        let missed = 0;
        timer = setInterval(() => {
          // Something waits to be read since the last time.
          missed = (controller.desiredSize ?? 0) < 0 ? missed + 1 : 0;
          if (missed === 0) controller.enqueue(encoder.encode(": keep-alive\n\n"));
          if (missed >= mostMissed) {
            release();
            cut();
          }
        }, keepAliveMs);
        // The client sees at once that the stream stands.
        controller.enqueue(encoder.encode(": ok\n\n"));
      },
      async pull(controller) {
        try {
          const result = await events.next();
          if (isOver) return;
          if (result.done === true) finish();
          else controller.enqueue(encoder.encode(textOf(result.value)));
        } catch (error) {
          if (isOver) return;
          const { code, message } = mask(error);
          const data = JSON.stringify({ error: { code, message } });
          controller.enqueue(encoder.encode(`event: error\ndata: ${data}\n\n`));
          finish();
        }
      },
      cancel() {
        if (!isOver) release();
      },
    },
    // Nothing is read ahead.
    { highWaterMark: 0 },
  );
}

/** Source of the format: the HTML standard, 9.2.6. JSON holds no line breaks. */
function textOf({ id, data }: ServerSentEvent): string {
  return `id: ${String(id)}\ndata: ${JSON.stringify(data)}\n\n`;
}
