// `factory mcp` as a process, before a server that knows nothing but the protocol.
import { once } from "node:events";
import { spawn } from "node:child_process";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, test } from "@jest/globals";
import { createAdaptorServer } from "@hono/node-server";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { createEndpoint, data, operator, textOf, type Asked, type Era } from "../../support/mcp.ts";
import type { Answer } from "../../../src/ask.ts";

const main = join(import.meta.dirname, "..", "..", "..", "src", "main.ts");
const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

type Respond = (request: Request) => Response | Promise<Response>;

async function listen(respond: Respond, port = 0) {
  const server = createAdaptorServer({ fetch: respond });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const close = async () => {
    if (!server.listening) return;
    const closed = once(server, "close");
    server.close();
    if ("closeAllConnections" in server) server.closeAllConnections();
    await closed;
  };
  closers.push(close);
  const { port: taken } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${String(taken)}`, port: taken, close };
}

function withTools(
  answer: (asked: Asked, signal: AbortSignal) => Answer | Promise<Answer>,
): Respond {
  const { fetch } = createEndpoint(operator, answer);
  return (request) =>
    request.headers.get("authorization") === "Bearer the-token"
      ? fetch(request)
      : Response.json(
          { jsonrpc: "2.0", id: null, error: { code: -32_000, message: "UNAUTHENTICATED: no" } },
          { status: 401 },
        );
}

function environment(url: string): Record<string, string> {
  return {
    PATH: process.env["PATH"] ?? "",
    FACTORY_URL: url,
    FACTORY_TOKEN: "the-token",
  };
}

async function connect(url: string, era: Era): Promise<Client> {
  const client = new Client(
    { name: "test", version: "1.0.0" },
    { versionNegotiation: { mode: era } },
  );
  await client.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: [main, "mcp"],
      env: environment(url),
    }),
  );
  closers.push(() => client.close());
  return client;
}

/** Writes the input, closes it, and tells how the program ended. */
async function run(env: Record<string, string>, input: string) {
  const child = spawn(process.execPath, [main, "mcp"], { env, stdio: "pipe" });
  const ended = once(child, "exit");
  // It may end before it has read everything.
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  const [printed, said, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    ended as Promise<[number | null]>,
  ]);
  const answers = printed
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as { id: unknown; error?: { message: string } });
  return { code, answers, said };
}

const initialize = JSON.stringify({
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: {
    protocolVersion: "2025-06-18",
    capabilities: {},
    clientInfo: { name: "test", version: "1" },
  },
});

describe.each<Era>(["legacy", "auto"])("with the negotiation %s", (era) => {
  test("an agent finds the tools and calls them", async () => {
    const { url } = await listen(
      withTools(() => data("cancelWorker", { worker: { name: "worker-1", status: "RUNNING" } })),
    );
    const client = await connect(url, era);
    expect(client.getNegotiatedProtocolVersion()).toBe(
      era === "legacy" ? "2025-11-25" : "2026-07-28",
    );
    const { tools } = await client.listTools();
    expect(tools.length).toBeGreaterThan(8);
    const result = await client.callTool({ name: "cancel_worker", arguments: { id: "worker-1" } });
    expect(textOf(result)).toContain("worker-1");
  });

  test("a call that is given up ends at the server", async () => {
    const began = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<void>();
    const { url } = await listen(
      withTools(async (_asked, signal) => {
        began.resolve();
        signal.addEventListener("abort", () => ended.resolve());
        await ended.promise;
        throw signal.reason;
      }),
    );
    const client = await connect(url, era);
    const giveUp = new AbortController();
    const call = client.callTool(
      { name: "list_workers", arguments: {} },
      { signal: giveUp.signal },
    );
    await began.promise;
    giveUp.abort();
    await expect(call).rejects.toThrow();
    await ended.promise;
  });
});

test("it goes on with a server that was started again", async () => {
  const respond = withTools(() =>
    data("cancelWorker", { worker: { name: "worker-1", status: "RUNNING" } }),
  );
  const first = await listen(respond);
  const child = spawn(process.execPath, [main, "mcp"], {
    env: environment(first.url),
    stdio: ["pipe", "pipe", "inherit"],
  });
  closers.push(async () => {
    const ended = once(child, "exit");
    child.stdin.end();
    await ended;
  });
  const printed = createInterface(child.stdout)[Symbol.asyncIterator]();
  const say = async (line: string) => {
    child.stdin.write(`${line}\n`);
    return (await printed.next()).value!;
  };
  expect(await say(initialize)).toContain("serverInfo");
  await first.close();
  const params = { name: "cancel_worker", arguments: { id: "worker-1" } };
  child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id: 2, method: "tools/call", params })}\n`);
  // Each answer takes the program a turn, in one of which the call meets that nobody listens.
  for (let turn = 0; turn < 50; turn += 1)
    expect(await say("nonsense")).toContain("not a JSON-RPC");
  await listen(respond, first.port);
  expect(JSON.parse((await printed.next()).value!)).toMatchObject({
    id: 2,
    result: { structuredContent: { worker: "worker-1" } },
  });
});

test("without a server it says so, answers, and ends with 3", async () => {
  const gone = await listen(() => new Response());
  await gone.close();
  const { code, answers, said } = await run(environment(gone.url), `${initialize}\n`);
  expect(code).toBe(3);
  expect(said).toMatch(new RegExp(`^factory: no server was reached at ${gone.url}: .+\n$`));
  expect(answers).toMatchObject([
    { id: 1, error: { message: expect.stringContaining("SERVICE_UNAVAILABLE") } },
  ]);
});

test("without a token, and where none was started, it says so and ends with 3", async () => {
  const { code, said } = await run(
    { PATH: process.env["PATH"] ?? "", FACTORY_HOME: "/nowhere/at/all" },
    `${initialize}\n`,
  );
  expect(code).toBe(3);
  expect(said).toMatch(/^factory: no server runs here.*FACTORY_TOKEN.*\n$/);
});

test("a token that the server refuses is told, and ends it with 1", async () => {
  const { url } = await listen(withTools(() => data("nothing", null)));
  const env = { ...environment(url), FACTORY_TOKEN: "another" };
  const { code, answers, said } = await run(env, `${initialize}\n`);
  expect(code).toBe(1);
  expect(said).toBe("factory: UNAUTHENTICATED: no\n");
  expect(answers).toMatchObject([{ id: 1, error: { message: "UNAUTHENTICATED: no" } }]);
});

test("an address that is none is bad usage of the settings", async () => {
  const { code, said } = await run(environment("nonsense"), "");
  expect(code).toBe(2);
  expect(said).toContain("FACTORY_URL must be");
});

test("lines that are no messages are refused, and what comes after them is answered", async () => {
  const { url } = await listen(withTools(() => data("nothing", null)));
  const long = JSON.stringify({ jsonrpc: "2.0", id: 2, method: "x".repeat(5 * 1024 * 1024) });
  const { code, answers } = await run(environment(url), `nonsense\n\n[]\n${long}\n${initialize}\n`);
  expect(code).toBe(0);
  expect(answers.map(({ id }) => id)).toEqual([null, null, null, 1]);
  expect(answers[2]?.error?.message).toContain("4 MiB");
  expect(answers[3]?.error).toBeUndefined();
});

test("a server that goes away in the middle of a call is told as such", async () => {
  const began = Promise.withResolvers<void>();
  const server = await listen(
    withTools(async (_asked, signal) => {
      began.resolve();
      await once(signal, "abort");
      throw signal.reason;
    }),
  );
  const client = await connect(server.url, "legacy");
  const call = client.callTool({ name: "list_workers", arguments: {} });
  await began.promise;
  await server.close();
  await expect(call).rejects.toThrow(/SERVICE_UNAVAILABLE: the server went away/);
});
