// The network process: real processes, sockets and connections.
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import os from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { parseNetworkRules } from "../../../../src/network-rules.ts";
import type { NetworkPolicy } from "../../../../src/sandbox/network/policy.ts";
import {
  createNetworkProcess,
  type NetworkProcess,
} from "../../../../src/sandbox/network/process/client.ts";
import type { Refusal } from "../../../../src/sandbox/network/refusals.ts";
import { eventually } from "../../../support/workers.ts";

let home = "";
let session = "";
let host: Server;
let port = 0;
let servers: NetworkProcess[];
let refused: Refusal[];

beforeEach(async () => {
  home = await mkdtemp(path.join(os.tmpdir(), "factory-network-"));
  session = path.join(home, "sessions/one-1");
  await mkdir(path.join(session, "net"), { recursive: true });
  servers = [];
  refused = [];
  // Says back what it is told.
  host = createServer((socket) => socket.on("error", () => undefined).pipe(socket));
  host.listen(0, "127.0.0.1");
  await once(host, "listening");
  port = (host.address() as AddressInfo).port;
});

afterEach(async () => {
  for (const server of servers) await server.leave();
  host.close();
  // So it ends.
  await rm(session, { recursive: true });
  await eventually(async () => (await processes()).length === 0);
  await rm(home, { recursive: true });
});

/** As a server that is started does it. */
function start(): NetworkProcess {
  const server = createNetworkProcess({
    home,
    environment: process.env,
    onLost(error) {
      throw error;
    },
  });
  servers.push(server);
  return server;
}

function policy(rules: string): NetworkPolicy {
  const parsed = parseNetworkRules(rules);
  if (typeof parsed === "string") throw new Error(parsed);
  return { rules: parsed, builtIn: [], named: [] };
}

function open(server: NetworkProcess, rules: string, answer = "served") {
  return server.open({
    folder: path.join(session, "net"),
    user: undefined,
    policy: policy(rules),
    onRefused: (refusal) => refused.push(refusal),
    api: { host: "127.0.0.1", port },
    serve: (message, response) => {
      response.writeHead(200, { "x-path": message.url ?? "" }).end(answer);
    },
    endFile: path.join(session, "exit.json"),
  });
}

async function processes(): Promise<number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const environment = await readFile(`/proc/${pid}/environ`, "latin1").catch(() => "");
      return environment.includes(`NODE_COMPILE_CACHE=${home}`) ? [Number(pid)] : [];
    }),
  );
  return found.flat();
}

/** Through the worker's proxy to a place. */
async function tunnel(place = `127.0.0.1:${String(port)}`): Promise<Socket> {
  const socket = connect(path.join(session, "net/proxy.sock"));
  socket.write(`CONNECT ${place} HTTP/1.1\r\nHost: ${place}\r\n\r\n`);
  const [answer] = (await Promise.race([
    once(socket, "data"),
    // Such as one that waits for a process which ends before it takes it.
    once(socket, "close").then(() => [Buffer.from("closed")]),
  ])) as [Buffer];
  if (!answer.toString().startsWith("HTTP/1.1 200")) throw new Error(answer.toString());
  return socket;
}

async function say(socket: Socket, words: string): Promise<string> {
  socket.write(words);
  const [answer] = (await once(socket, "data")) as [Buffer];
  return answer.toString();
}

async function ask(target: string): Promise<string> {
  const outgoing = request({ socketPath: path.join(session, "net/proxy.sock"), path: target });
  outgoing.end();
  const [answer] = await once(outgoing, "response");
  return text(answer as NodeJS.ReadableStream);
}

test("what a worker has open goes on while its server is gone and another comes", async () => {
  const first = start();
  const allowed = `NONE,127.0.0.1:${String(port)}`;
  await open(first, allowed, "by the first");
  const socket = await tunnel();
  expect(await say(socket, "one")).toBe("one");
  expect(await ask("/git")).toBe("by the first");
  await first.leave();
  expect(await say(socket, "two")).toBe("two");
  expect(await ask("/git")).toMatch(/being started anew/);
  await expect(tunnel("denied.example:80")).rejects.toThrow("403");
  expect(refused).toEqual([]);

  const network = await open(start(), allowed, "by the second");
  // It was away when that was refused.
  await eventually(() => Promise.resolve(refused.length === 1));
  expect(await say(socket, "three")).toBe("three");
  expect(await ask("/git")).toBe("by the second");
  network.setPolicy(policy("NONE"));
  await eventually(() =>
    tunnel().then(
      (open) => !open.destroy(),
      () => true,
    ),
  );
  expect(await processes()).toHaveLength(1);
  const closed = once(socket, "close");
  await network.close();
  await closed;
  await expect(tunnel()).rejects.toThrow(/ENOENT/);
});

test("a process that is killed is started anew, with what its workers may reach by then", async () => {
  const network = await open(start(), "NONE");
  network.setPolicy(policy(`NONE,127.0.0.1:${String(port)}`));
  const [pid = 0] = await processes();
  process.kill(pid, "SIGKILL");
  await eventually(() =>
    tunnel().then(
      (socket) => Boolean(socket.destroy()),
      () => false,
    ),
  );
  expect(await processes()).not.toContain(pid);
});

test("it ends by itself when the last worker has ended and no server is there", async () => {
  const server = start();
  await open(server, "NONE");
  await server.leave();
  await writeFile(path.join(session, "exit.json"), "{}");
  await eventually(async () => (await processes()).length === 0);
  expect(await readdir(path.join(session, "net"))).toEqual([]);
});
