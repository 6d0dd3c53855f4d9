// `factory mcp`: the Model Context Protocol on stdio, for agents that start their tools as programs. It knows no tool
// itself: each message goes on to the server's /mcp, and what comes back is printed.
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { exitCodes, findServer, type Server } from "./connection.ts";
import { readLines, tooLong } from "./lines.ts";
import { headersFor, messageShape, readMessages, type Message, type Settled } from "./mcp-http.ts";

/** What the server takes. */
const longestMessageBytes = 4 * 1024 * 1024;
const mostUnderway = 100;
/** A server that is started again is back within this time. */
const patienceMs = 10_000;
const retryMs = 250;
/** A client that closes the input ends the program soon after. */
const lastWordsMs = 2_000;

export interface Streams {
  readonly input: Readable;
  readonly output: Writable;
  readonly errors: Writable;
}

/** Resolves with the exit code. @throws CommandError */
export async function serveMcp(streams: Streams): Promise<number> {
  return new Bridge(await findServer(), streams).run();
}

type RequestId = NonNullable<Message["id"]>;

class Bridge {
  readonly #server: Server;
  readonly #streams: Streams;
  readonly #underway = new Map<RequestId, AbortController>();
  readonly #tasks = new Set<Promise<void>>();
  #settled: Settled = { protocolVersion: undefined, sessionId: undefined };
  /** Whether the server has answered yet: until then a mistake in the settings is likelier than an outage. */
  #wasReached = false;
  #exitCode: number = exitCodes.done;

  constructor(server: Server, streams: Streams) {
    this.#server = server;
    this.#streams = streams;
  }

  async run(): Promise<number> {
    try {
      for await (const line of readLines(this.#streams.input, longestMessageBytes)) {
        if (line === tooLong) {
          await this.#refuse(null, -32_600, "BAD_INPUT: the message is larger than 4 MiB");
        } else if (line.trim() !== "") await this.#take(line);
      }
    } catch (error) {
      // Destroyed by the end below.
      if (this.#exitCode === exitCodes.done) throw error;
    }
    await Promise.race([Promise.all(this.#tasks), delay(lastWordsMs, undefined, { ref: false })]);
    for (const controller of this.#underway.values()) controller.abort();
    await Promise.all(this.#tasks);
    return this.#exitCode;
  }

  async #take(line: string): Promise<void> {
    let message: Message;
    try {
      message = messageShape.parse(JSON.parse(line));
    } catch {
      await this.#refuse(null, -32_700, "BAD_INPUT: the line is not a JSON-RPC message");
      return;
    }
    const { method, params } = message;
    const id = message.id ?? undefined;
    if (method === "notifications/cancelled") {
      // The end of its connection cancels it at the server.
      if (params?.requestId !== undefined) this.#underway.get(params.requestId)?.abort();
      return;
    }
    if (this.#underway.size >= mostUnderway && id !== undefined) {
      await this.#refuse(id, -32_000, "LIMIT_EXCEEDED: 100 calls are under way: wait for some");
      return;
    }
    const controller = new AbortController();
    if (id !== undefined) this.#underway.set(id, controller);
    const task = this.#exchange(line, message, controller.signal).finally(() => {
      if (id !== undefined) this.#underway.delete(id);
      this.#tasks.delete(task);
    });
    this.#tasks.add(task);
  }

  async #exchange(line: string, message: Message, signal: AbortSignal): Promise<void> {
    const id = message.id ?? null;
    let response: Response;
    try {
      response = await this.#send(line, message, signal);
    } catch (error) {
      if (signal.aborted) return;
      const wasSent = this.#wasReached && !isRefused(error);
      const why = wasSent
        ? wentAway(error)
        : `no server was reached at ${this.#server.url}: ${reasonOf(error)}`;
      if (!this.#wasReached) this.#end(exitCodes.notReached, why);
      await this.#refuse(id, -32_000, `SERVICE_UNAVAILABLE: ${why}`);
      return;
    }
    const isFirst = !this.#wasReached;
    this.#wasReached = true;
    try {
      let isAnswered = false;
      for await (const text of readMessages(response)) {
        const answer = messageShape.parse(JSON.parse(text));
        if (!response.ok) {
          // About the request as a whole, whose id the server has not read.
          const why = answer.error?.message ?? `the server answered ${String(response.status)}`;
          if (isFirst) this.#end(exitCodes.refused, why);
          await this.#print(JSON.stringify({ ...answer, id: answer.id ?? id }));
        } else {
          if (message.method === "initialize") this.#settle(answer, response);
          await this.#print(text);
        }
        isAnswered = true;
      }
      if (isAnswered || id === null) return;
    } catch (error) {
      if (signal.aborted) return;
      await this.#refuse(id, -32_000, `SERVICE_UNAVAILABLE: ${wentAway(error)}`);
      return;
    }
    await this.#refuse(
      id,
      -32_000,
      `INTERNAL: the server gave no answer (${String(response.status)})`,
    );
  }

  /** Again for a while where nobody listens at the moment: the message has not gone out then. */
  async #send(body: string, message: Message, signal: AbortSignal): Promise<Response> {
    const deadline = performance.now() + patienceMs;
    const { url, token } = this.#server;
    for (;;) {
      try {
        return await fetch(new URL("/mcp", url), {
          method: "POST",
          headers: headersFor(message, token, this.#settled),
          body,
          signal,
          redirect: "error",
        });
      } catch (error) {
        const mayRetry = this.#wasReached && isRefused(error) && performance.now() < deadline;
        if (!mayRetry || signal.aborted) throw error;
        await delay(retryMs, undefined, { signal });
      }
    }
  }

  #settle({ result }: Message, { headers }: Response): void {
    this.#settled = {
      protocolVersion: result?.protocolVersion,
      sessionId: headers.get("mcp-session-id") ?? undefined,
    };
  }

  async #refuse(id: RequestId | null, code: number, message: string): Promise<void> {
    await this.#print(JSON.stringify({ jsonrpc: "2.0", id, error: { code, message } }));
  }

  async #print(line: string): Promise<void> {
    const { output } = this.#streams;
    if (!output.write(`${line}\n`)) await once(output, "drain");
  }

  #end(exitCode: number, why: string): void {
    this.#exitCode = exitCode;
    this.#streams.errors.write(`factory: ${why}\n`);
    this.#streams.input.destroy();
  }
}

function wentAway(error: unknown): string {
  return `the server went away in the middle of the call (${reasonOf(error)}): look what became of it before you repeat it`;
}

/** Nobody listened, so that nothing was sent. */
function isRefused(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && "code" in cause && cause.code === "ECONNREFUSED";
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  if (!(cause instanceof Error)) return String(cause);
  // Of several addresses that were tried, the error has a code alone.
  return cause.message === "" && "code" in cause ? String(cause.code) : cause.message;
}
