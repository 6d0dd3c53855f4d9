// A server of another version than the command.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { runCommand } from "../../support/command.ts";

let server: Server;
let url: string;
let answer: string;
let version: string | undefined;

beforeEach(async () => {
  answer = '{"data":{"agents":[]}}';
  version = "99.1.0";
  server = createServer((request, response) => {
    request.resume();
    request.on("end", () => {
      if (version !== undefined) response.setHeader("X-Factory-Version", version);
      response.end(answer);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const run = () =>
  runCommand({ home: "/nowhere" }, ["agents", "--json"], {
    env: { FACTORY_URL: url, FACTORY_TOKEN: "a-token", XDG_CACHE_HOME: undefined, HOME: undefined },
  });

test("is warned of, and asked all the same", async () => {
  const { code, stdout, stderr } = await run();
  expect({ code, stdout }).toEqual({ code: 0, stdout: "[]\n" });
  expect(stderr).toMatch(
    /^factory: this command is of version \d.*, the server of 99\.1\.0: .*\n$/,
  );
});

test("that doesn't know what it is asked for is told as such", async () => {
  answer =
    '{"errors":[{"message":"Cannot query field \\"agents\\"","extensions":{"code":"BAD_INPUT"}}]}';
  const { code, stderr } = await run();
  expect(code).toBe(1);
  expect(stderr).toContain("factory: BAD_INPUT: Cannot query field");
  expect(stderr).toMatch(
    /The server \(version 99\.1\.0\) does not know .*: use the same version of both\.\n$/,
  );
});

test("of the same version, or one that says none, is no news", async () => {
  version = undefined;
  expect(await run()).toEqual({ code: 0, stdout: "[]\n", stderr: "" });
});
