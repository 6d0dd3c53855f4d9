// A model on loopback that does as a test says, in the formats in which the real agents ask theirs.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { json } from "node:stream/consumers";
import { isObject, type JsonObject } from "../../src/agents/json.ts";
import { anthropic } from "./model/anthropic.ts";
import { chat } from "./model/chat.ts";
import { gemini } from "./model/gemini.ts";
import { planFor, tokens, type Format, type Script } from "./model/plan.ts";
import { responses } from "./model/responses.ts";

export interface ModelServer {
  readonly url: string;
  /** From now on: what to ask for and say. */
  play(script: Partial<Script>): void;
  /** From now on: the status of every answer; undefined: all is well again. */
  fail(status: 401 | 500 | undefined): void;
  /** Keeps back every answer from now on until `release` is called. */
  hold(): { readonly arrived: Promise<unknown>; release(): void };
  /** The bodies of the latest requests for an answer, as text. */
  readonly requests: readonly string[];
  stop(): Promise<void>;
}

/** A turn takes two or three. */
const mostRequests = 50;

const routes: readonly (readonly [RegExp, Format])[] = [
  [/\/messages$/, anthropic],
  [/\/chat\/completions$/, chat],
  [/\/responses$/, responses],
  [/:(?:stream)?generateContent$/i, gemini],
];

interface Hold {
  readonly arrive: () => void;
  readonly released: Promise<unknown>;
}

/** `host`: by which it is asked. One that isn't loopback's own name or address is reached from a sandbox, too. */
export async function startModelServer(host = "127.0.0.1"): Promise<ModelServer> {
  let script: Script = { command: "true", text: "Done.", more: {} };
  let failure: 401 | 500 | undefined;
  let hold: Hold | undefined;
  const requests: string[] = [];

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(request.url ?? "/", "http://model").pathname;
    if (/count_?tokens$/i.test(path)) {
      sendJson(response, 200, { input_tokens: tokens.input, totalTokens: tokens.input });
      return;
    }
    const format = routes.find(([pattern]) => pattern.test(path))?.[1];
    // What else they ask for (lists of models, telemetry) they can do without.
    if (format === undefined || request.method !== "POST") {
      sendJson(response, 404, { error: { type: "not_found_error", message: `no ${path} here` } });
      return;
    }
    const read = await json(request);
    const body = isObject(read) ? read : {};
    requests.push(JSON.stringify(body));
    if (requests.length > mostRequests) requests.shift();
    if (failure !== undefined) {
      // Else opencode waits for over a minute in all, and tells nothing meanwhile.
      response.setHeader("retry-after-ms", "100");
      sendJson(response, failure, errorBody(failure));
      return;
    }
    const plan = planFor(format.read(body), script);
    const isStream = body["stream"] === true || /stream/i.test(path);
    if (isStream) {
      response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
      response.flushHeaders();
    }
    hold?.arrive();
    await hold?.released;
    if (!isStream) {
      sendJson(response, 200, format.whole(plan, body));
      return;
    }
    for (const { event, data } of format.stream(plan, body)) {
      const text = typeof data === "string" ? data : JSON.stringify(data);
      response.write(`${event === undefined ? "" : `event: ${event}\n`}data: ${text}\n\n`);
    }
    response.end();
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : new Error(String(error)));
    });
  });
  // codex asks for a WebSocket first, and goes on without.
  server.on("upgrade", (_request, socket) => {
    socket.end("HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n");
  });
  await new Promise<void>((resolve) => {
    server.listen(0, host === "127.0.0.1" ? host : undefined, resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the model has no port");

  return {
    url: `http://${host}:${String(address.port)}`,
    requests,
    play(change) {
      script = { ...script, ...change };
    },
    fail(status) {
      failure = status;
    },
    hold() {
      const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>();
      const { promise: released, resolve } = Promise.withResolvers<void>();
      hold = { arrive, released };
      return {
        arrived,
        release() {
          hold = undefined;
          resolve();
        },
      };
    },
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

function sendJson(response: ServerResponse, status: number, body: JsonObject): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

/** Each agent reads of it what its own provider would send. */
function errorBody(status: 401 | 500): JsonObject {
  const isLogin = status === 401;
  return {
    type: "error",
    error: {
      type: isLogin ? "authentication_error" : "api_error",
      code: status,
      status: isLogin ? "UNAUTHENTICATED" : "INTERNAL",
      message: `the model was told to fail with ${String(status)}`,
    },
  };
}
