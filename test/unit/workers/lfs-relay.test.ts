import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { FactoryError } from "../../../src/errors.ts";
import { findLfsFiles } from "../../../src/git/lfs.ts";
import { createLfsRelay } from "../../../src/workers/sandbox/lfs-relay.ts";

const credentials = { username: "ada", password: "pässword" };
const oid = (digit: string) => digit.repeat(64);
const servers: Server[] = [];
/** Of the remote's answer, by the file asked for. */
let files: Record<string, object>;
let remote = "";
let relay = "";

beforeEach(async () => {
  files = {};
  remote = await start(
    createServer((request, response) => {
      void answerAsRemote(request.url ?? "", request.headers.authorization, text(request)).then(
        ([status, answer]) => response.writeHead(status).end(answer),
      );
    }),
  );
  const url = `${remote}/acme/app.git`;
  const served = createLfsRelay({
    url,
    place: "http://relay/git/acme/app.git",
    find: (request, signal) => findLfsFiles(credentials, { url, request, signal }),
  });
  relay = await start(
    createServer((request, response) => {
      const asked = `${request.method ?? ""} ${request.url ?? ""}`;
      if (!served.serves(asked)) {
        response.writeHead(404).end();
        return;
      }
      served
        .serve(asked, request, response, AbortSignal.timeout(10_000))
        .catch((error: unknown) => {
          response.writeHead(500).end(error instanceof FactoryError ? error.code : String(error));
        });
    }),
  );
});

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function start(server: Server): Promise<string> {
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
}

async function answerAsRemote(
  path: string,
  authorization: string | undefined,
  body: Promise<string>,
): Promise<[number, string]> {
  if (path === "/acme/app.git/info/lfs/objects/batch") {
    const { username, password } = credentials;
    const wanted = `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
    if (authorization !== wanted) return [401, "no entry"];
    const { objects } = JSON.parse(await body) as { objects: { oid: string }[] };
    return [
      200,
      JSON.stringify({ objects: objects.map((one) => ({ ...one, ...files[one.oid] })) }),
    ];
  }
  if (path !== "/file") return [404, "nothing"];
  return authorization === "RemoteAuth secret" ? [200, "what the file holds"] : [403, "no"];
}

async function ask(request: object): Promise<{ status: number; answer: string }> {
  const response = await fetch(`${relay}/info/lfs/objects/batch`, {
    method: "POST",
    body: JSON.stringify(request),
  });
  return { status: response.status, answer: await response.text() };
}

function wanting(...oids: string[]): object {
  return { operation: "download", objects: oids.map((one) => ({ oid: one, size: 19 })) };
}

async function download(one: string): Promise<string> {
  return (await fetch(`${relay}/info/lfs/objects/${one}`)).text();
}

const at = (href: string) => ({
  actions: { download: { href, header: { Authorization: "RemoteAuth secret" } } },
});

test("a file is fetched by way of the relay, and nothing that opens it reaches the client", async () => {
  files = {
    [oid("a")]: at(`${remote}/file`),
    [oid("b")]: { error: { code: 404, message: "gone" } },
  };
  const { answer } = await ask(wanting(oid("a"), oid("b")));
  expect(JSON.parse(answer)).toEqual({
    transfer: "basic",
    objects: [
      {
        oid: oid("a"),
        size: 19,
        authenticated: true,
        actions: {
          download: { href: `http://relay/git/acme/app.git/info/lfs/objects/${oid("a")}` },
        },
      },
      { oid: oid("b"), size: 19, error: { code: 404, message: "gone" } },
    ],
  });
  expect(await download(oid("a"))).toBe("what the file holds");
  expect(await download(oid("b"))).toBe("NOT_FOUND");
});

test("no file is fetched from a private address of another host, however the remote writes it", async () => {
  const { port } = new URL(remote);
  const places = [
    `http://localhost:${port}/file`,
    `http://[::1]:${port}/file`,
    "http://169.254.169.254/latest/meta-data",
    "http://10.0.0.1/file",
    "http://[::ffff:127.0.0.1]/file",
  ];
  for (const place of places) {
    files = { [oid("a")]: at(place) };
    await ask(wanting(oid("a")));
    expect([place, await download(oid("a"))]).toEqual([place, "FORBIDDEN"]);
  }
  files = { [oid("a")]: at("file:///etc/passwd") };
  await ask(wanting(oid("a")));
  expect(await download(oid("a"))).toBe("REMOTE_UNREACHABLE");
});

test.each([
  ["an upload", { ...wanting(oid("a")), operation: "upload" }],
  ["no file", wanting()],
  ["a path in place of a file", wanting("../../etc/passwd")],
  ["too many", wanting(...Array<string>(1_001).fill(oid("a")))],
  ["no request", []],
  ["too long a text", { ...wanting(oid("a")), more: "x".repeat(2 ** 20) }],
])("%s is refused", async (_, request) => {
  expect(await ask(request)).toEqual({ status: 500, answer: "BAD_INPUT" });
});
