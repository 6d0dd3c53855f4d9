// Cancelling a call, for clients of the protocol before 2026-07-28: they keep the call's connection open, and say in
// another request that they don't wait any more. What connects the two is a session id that the client is given at
// its start. It is no session: nothing is stored under it but calls under way on this server.
import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { Viewer } from "../access/viewer.ts";

const sessionHeader = "Mcp-Session-Id";

const idShape = z.union([z.string(), z.number()]);
const requestShape = z.object({ id: idShape, method: z.string() });
const cancellationShape = z.object({
  method: z.literal("notifications/cancelled"),
  params: z.object({ requestId: idShape }),
});

export interface Cancellable {
  readonly signal: AbortSignal;
  /** The response as it goes out; the call is under way until its body has ended. */
  finish(response: Response): Response;
}

export interface Cancellations {
  begin(request: Request, viewer: Viewer, message: unknown): Cancellable;
}

export function createCancellations(): Cancellations {
  const underway = new Map<string, AbortController>();

  return {
    begin(request, viewer, message) {
      const who = viewer.kind === "operator" ? "" : viewer.name;
      const session = request.headers.get(sessionHeader);
      const keyOf = (id: string | number) => JSON.stringify([who, session, id]);
      const cancellation = cancellationShape.safeParse(message);
      if (cancellation.success && session !== null) {
        underway.get(keyOf(cancellation.data.params.requestId))?.abort();
      }
      const controller = new AbortController();
      const asked = requestShape.safeParse(message);
      if (!asked.success || session === null) {
        return {
          signal: controller.signal,
          finish(response) {
            if (asked.data?.method === "initialize" && response.ok) {
              response.headers.set(sessionHeader, randomUUID());
            }
            return response;
          },
        };
      }
      const key = keyOf(asked.data.id);
      underway.set(key, controller);
      const end = () => {
        if (underway.get(key) === controller) underway.delete(key);
      };
      return {
        signal: controller.signal,
        finish(response) {
          if (response.body === null) {
            end();
            return response;
          }
          const { status, headers } = response;
          return new Response(tellEnd(response.body, end), { status, headers });
        },
      };
    },
  };
}

/** The same bytes; calls back once they have come to their end, or nobody wants them any more. */
function tellEnd(body: ReadableStream<Uint8Array>, end: () => void): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (!done) {
          controller.enqueue(value);
          return;
        }
        end();
        controller.close();
      } catch (error) {
        end();
        throw error;
      }
    },
    async cancel(reason) {
      end();
      await reader.cancel(reason);
    },
  });
}
