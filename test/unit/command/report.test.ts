// The command as it is started; what it does to a worker is in test/integration/workers-prompt.test.ts.
import { execFile } from "node:child_process";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";

const main = join(import.meta.dirname, "..", "..", "..", "src", "main.ts");

let server: Server;
let url: string;
let reply: { status: number; body: string };
let asked: { authorization: string | undefined; body: string }[];

beforeEach(async () => {
  asked = [];
  reply = { status: 200, body: '{"data":{"reportWorker":{"worker":{"name":"worker-1"}}}}' };
  server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => (body += String(chunk)));
    request.on("end", () => {
      asked.push({ authorization: request.headers.authorization, body });
      response.writeHead(reply.status).end(reply.body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
});

afterEach(async () => {
  server.closeAllConnections();
  // One that a test has closed says so, and that is all there is to it.
  await new Promise((resolve) => server.close(resolve));
});

function run(args: string[], env: Record<string, string> = {}) {
  return new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) => {
    execFile(
      process.execPath,
      [main, "report", ...args],
      { env: { FACTORY_URL: url, FACTORY_TOKEN: "a-token", ...env }, timeout: 20_000 },
      (error, stdout, stderr) => resolve({ code: error?.code ?? 0, stdout, stderr }),
    );
  });
}

test("a report is sent with the worker's token, and 0 says that it arrived", async () => {
  expect(await run(["it is\ndone", "--outcome", "succeeded"])).toEqual({
    code: 0,
    stdout: "",
    stderr: "",
  });
  expect(asked).toHaveLength(1);
  expect(asked[0]?.authorization).toBe("Bearer a-token");
  expect(JSON.parse(asked[0]!.body)).toMatchObject({
    variables: { input: { message: "it is\ndone", outcome: "SUCCEEDED" } },
  });
});

test("without an outcome none is sent; a text may begin with a dash", async () => {
  expect(await run(["--", "-x"])).toMatchObject({ code: 0 });
  expect(JSON.parse(asked[0]!.body)).toMatchObject({ variables: { input: { message: "-x" } } });
  expect(asked[0]!.body).not.toContain('outcome":');
});

test("what the server refuses is 1, with its code and message", async () => {
  reply.body =
    '{"data":{"reportWorker":null},"errors":[{"message":"the session has ended","extensions":{"code":"WORKER_NOT_RUNNING"}}]}';
  expect(await run(["done"])).toMatchObject({
    code: 1,
    stderr: "factory: WORKER_NOT_RUNNING: the session has ended\n",
  });
  reply = { status: 401, body: "no" };
  expect(await run(["done"])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("UNAUTHENTICATED"),
  });
});

test.each([
  [[], "one TEXT"],
  [["two", "texts"], "one TEXT"],
  [["done", "--outcome", "perhaps"], "succeeded or failed"],
  [["done", "--nope"], "--nope"],
])("%j is bad usage, which is 2", async (args, expected) => {
  expect(await run(args)).toMatchObject({ code: 2, stderr: expect.stringContaining(expected) });
  expect(asked).toEqual([]);
});

test("where there is neither a token nor a server of this machine, it is 3", async () => {
  expect(await run(["done"], { FACTORY_TOKEN: "", FACTORY_HOME: "/nowhere" })).toMatchObject({
    code: 3,
    stderr: expect.stringContaining("FACTORY_TOKEN"),
  });
});

test("where no server is reached, or something else answers, it is 3", async () => {
  reply.body = "<html>";
  expect(await run(["done"])).toMatchObject({
    code: 3,
    stderr: expect.stringContaining("no Factory server"),
  });
  // A port that was given back: nothing listens there.
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  expect(await run(["done"])).toMatchObject({
    code: 3,
    stderr: expect.stringContaining("ECONNREFUSED"),
  });
});
