// The tools against a real server, as an agent finds them: over HTTP, by `factory mcp`, and inside a worker.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import type { Client } from "@modelcontextprotocol/client";
import { Client as StdioClient } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startMember } from "../support/family.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { connect, textOf } from "../support/mcp.ts";
import { writeScriptedAgents } from "../support/talks.ts";
import {
  createGate,
  dispatch,
  followParent,
  readWorker,
  untilEnded,
  untilStatus,
} from "../support/workers.ts";

let git: GitServer;
let server: FactoryServer;
let folder: string;
const repository = { owner: "acme", name: "app" };
const clients: Client[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "factory-mcp-"));
  git = await startGitServer();
  await git.createRepository("acme", "app");
  server = await startFactory({ git, env: { FACTORY_AGENTS: await writeScriptedAgents(folder) } });
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
});

afterAll(async () => {
  await server.dispose();
  await git.stop();
  await rm(folder, { recursive: true });
});

async function overHttp(token = server.token): Promise<Client> {
  const client = await connect(server.url, { token });
  clients.push(client);
  // With the tools listed the client checks results against their schemas.
  await client.listTools();
  return client;
}

/** As an agent starts it. */
async function overStdio(env: Readonly<Record<string, string>>): Promise<Client> {
  const client = new StdioClient({ name: "test", version: "1.0.0" });
  const main = join(import.meta.dirname, "..", "..", "src", "main.ts");
  await client.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: [main, "mcp"],
      env: { PATH: process.env["PATH"] ?? "", ...env },
    }),
  );
  clients.push(client);
  await client.listTools();
  return client;
}

async function use(client: Client, name: string, args: Record<string, unknown>) {
  const result = await client.callTool({ name, arguments: args });
  expect(textOf(result)).not.toBe("");
  if (result.isError === true) throw new Error(textOf(result));
  return result.structuredContent as Readonly<Record<string, unknown>>;
}

async function refusal(client: Client, name: string, args: Record<string, unknown>) {
  const result = await client.callTool({ name, arguments: args });
  expect(result.isError).toBe(true);
  return textOf(result);
}

test("an agent dispatches, lists and looks at a worker with its commits and diff", async () => {
  const client = await overHttp();
  const { worker, branch } = await use(client, "dispatch_worker", {
    parentSession: "commander",
    task: "echo one >one.txt; git add .; git commit -qm 'Add one'; echo two >two.txt; echo printed",
    agent: "shell",
    repository,
  });
  const id = String(worker);
  await untilEnded(server, id);
  const list = await use(client, "list_workers", { parentSession: "commander" });
  expect(list).toMatchObject({
    total: 1,
    next: null,
    workers: [{ worker, branch, status: "SUCCEEDED", repository: "acme/app" }],
  });
  const told = await use(client, "get_worker", { id, output: true });
  expect(told).toMatchObject({
    worker,
    status: "SUCCEEDED",
    commits: [{ subject: "Add one" }],
    commitCount: 1,
    exitCode: 0,
    output: "printed\n",
    diff: {
      filesChanged: 2,
      next: null,
      files: [
        { path: "one.txt", insertions: 1, deletions: 0 },
        { path: "two.txt", insertions: 1, deletions: 0 },
      ],
    },
    gaps: [],
  });
  const part = await use(client, "get_worker", { id, path: "two.txt" });
  expect(part["diff"]).toMatchObject({ files: [{ path: "two.txt" }] });
  expect(await use(client, "get_worker", { id, diff: false })).toMatchObject({ diff: null });

  const again = { owner: "acme", name: "app", branch: String(branch) };
  expect(await refusal(client, "delete_worktree", again)).toMatch(/^WORKTREE_DIRTY: /);
  expect(await use(client, "delete_worktree", { ...again, force: true })).toEqual({
    repository: "acme/app",
    branch,
  });
  expect(await use(client, "get_worker", { id })).toMatchObject({ worktree: null, diff: null });
});

test("an agent cancels a worker, and repositories and worktrees are at hand", async () => {
  const client = await overHttp();
  const gate = await createGate();
  const { name } = await dispatch(server, { parentSession: "me", task: gate.wait, repository });
  await untilStatus(server, name, "RUNNING");
  expect(await use(client, "cancel_worker", { id: name, reason: "enough" })).toMatchObject({
    worker: name,
  });
  expect(await untilEnded(server, name)).toMatchObject({ status: "CANCELLED" });
  await gate.dispose();

  expect(await use(client, "clone_repository", repository)).toMatchObject({
    repository: "acme/app",
    created: false,
  });
  expect(await use(client, "sync_repository", repository)).toMatchObject({ updated: false });
  const worktree = { ...repository, branch: "by-hand" };
  expect(await use(client, "create_worktree", worktree)).toMatchObject({ created: true });
  expect(await use(client, "create_worktree", worktree)).toMatchObject({ created: false });
});

interface News {
  readonly changes: readonly { readonly worker: string; readonly status: string }[];
  readonly after: number;
  readonly unfinished: number;
  readonly pendingPermissions: readonly {
    readonly worker: string;
    readonly requestId: string;
    readonly title: string;
    readonly options: readonly { readonly id: string; readonly kind: string }[];
  }[];
}

test("an agent waits for its worker, answers what it asks, and says more when it has ended", async () => {
  const client = await overHttp();
  const parentSession = "waiting";
  const wait = async (after: number) =>
    // What the server answers was checked against the tool's schema.
    (await use(client, "wait_for_workers", {
      parentSession,
      after,
      timeoutSeconds: 20,
    })) as unknown as News;
  const { worker } = await use(client, "dispatch_worker", {
    parentSession,
    task: "do: ask Delete everything\ndo: say finished",
    agent: "scripted",
    permissions: "ASK",
    repository,
  });
  let news = await wait(0);
  expect(news).toMatchObject({
    unfinished: 1,
    pendingPermissions: [{ worker, title: "Delete everything" }],
  });
  const [request] = news.pendingPermissions;
  const { requestId, options } = request!;
  const answer = { id: worker, requestId, optionId: "no such option" };
  expect(await refusal(client, "answer_permission", answer)).toMatch(/^BAD_INPUT: /);
  const optionId = options.find(({ kind }) => kind === "allow_once")!.id;
  expect(await use(client, "answer_permission", { ...answer, optionId })).toMatchObject({ worker });
  while (news.unfinished > 0) news = await wait(news.after);
  expect(news.changes).toContainEqual(expect.objectContaining({ worker, status: "SUCCEEDED" }));

  const message = { id: worker, text: "do: say once more" };
  const said = await use(client, "send_message", message);
  expect(said).toMatchObject({ created: true });
  expect(said["worker"]).not.toBe(worker);
  do news = await wait(news.after);
  while (news.unfinished > 0);
  expect(news.changes).toContainEqual(
    expect.objectContaining({ worker: said["worker"], status: "SUCCEEDED" }),
  );
  expect(await refusal(client, "send_message", { ...message, text: "" })).toMatch(/^BAD_INPUT: /);
});

test("a wait that is given up, or whose time is over, ends while the worker goes on", async () => {
  const client = await overHttp();
  const gate = await createGate();
  const parentSession = "patient";
  const { name } = await dispatch(server, { parentSession, task: gate.wait, repository });
  await untilStatus(server, name, "RUNNING");
  const waiting = { parentSession, timeoutSeconds: 1 };
  expect(await use(client, "wait_for_workers", waiting)).toMatchObject({
    changes: [{ worker: name, status: "RUNNING" }],
    unfinished: 1,
  });
  const giveUp = new AbortController();
  const call = client.callTool(
    { name: "wait_for_workers", arguments: { ...waiting, timeoutSeconds: 300 } },
    { signal: giveUp.signal },
  );
  giveUp.abort();
  await expect(call).rejects.toThrow();
  await gate.open();
  await untilEnded(server, name);
  await gate.dispose();
});

test("under a name that never dispatched: that is said, with the names that there are", async () => {
  const client = await overHttp();
  const parent = await startMember(server, { parentSession: "known", repository, branch: "known" });
  const wait = { parentSession: "knwon", timeoutSeconds: 300 };
  const result = await client.callTool({ name: "wait_for_workers", arguments: wait });
  expect(textOf(result)).toMatch(
    /^No worker was ever dispatched under the name "knwon"\. Names with workers: .*"known"/,
  );
  expect(textOf(result)).not.toMatch(/unfinished|Nothing new/);
  const asOperator = await use(client, "wait_for_workers", wait);
  expect(asOperator["knownParents"]).toContain("known");
  expect(await use(client, "list_workers", { parentSession: "knwon" })).toMatchObject({
    total: 0,
    knownParents: asOperator["knownParents"],
  });
  expect(await use(client, "list_workers", { parentSession: "known" })).toMatchObject({
    total: 1,
    knownParents: null,
  });

  // A worker reads of no name but its own.
  const own = await overHttp(parent.token);
  const none = await own.callTool({ name: "wait_for_workers", arguments: {} });
  expect(textOf(none)).toBe(
    `No worker was ever dispatched under the name "${parent.name}". There is none under any other that you may see.`,
  );
  expect(await refusal(own, "wait_for_workers", { parentSession: "known" })).toMatch(/^FORBIDDEN/);
  await parent.release();
  await untilEnded(server, parent.name);
  await parent.dispose();
});

test("refusals carry the API's code and say what is wrong", async () => {
  const client = await overHttp();
  expect(await refusal(client, "get_worker", { id: "worker-999" })).toMatch(/^WORKER_NOT_FOUND: /);
  expect(await refusal(client, "cancel_worker", { id: "worker-999" })).toMatch(
    /^WORKER_NOT_FOUND: .*worker-999/,
  );
  const work = { parentSession: "me", repository };
  expect(await refusal(client, "dispatch_worker", work)).toMatch(/^BAD_INPUT: task is missing/);
  expect(await refusal(client, "dispatch_worker", { ...work, task: " " })).toMatch(
    /^BAD_INPUT: task is empty/,
  );
  const nobody = { ...work, task: "x", agent: "nobody" };
  expect(await refusal(client, "dispatch_worker", nobody)).toMatch(/^AGENT_UNKNOWN: .*nobody/);
  expect(await refusal(client, "dispatch_worker", { ...work, task: "x\0" })).toMatch(
    /^BAD_INPUT: .*task/,
  );
  expect(await refusal(client, "report", { message: "x" }).catch(String)).toMatch(/report/);
});

test("by factory mcp it is the same, with the server of FACTORY_URL or the one of this machine", async () => {
  const { port } = new URL(server.url);
  for (const env of [
    { FACTORY_URL: server.url, FACTORY_TOKEN: server.token },
    { FACTORY_HOME: server.home, PORT: port },
  ]) {
    const client = await overStdio(env);
    expect(await use(client, "sync_repository", repository)).toMatchObject({
      repository: "acme/app",
    });
    expect(await refusal(client, "get_worker", { id: "worker-999" })).toMatch(/^WORKER_NOT_FOUND/);
  }
});

test("a worker reports by factory mcp on its PATH, and dispatches a child to its own repository", async () => {
  const messages = [
    {
      id: 1,
      method: "initialize",
      params: {
        protocolVersion: "2025-06-18",
        capabilities: {},
        clientInfo: { name: "agent", version: "1" },
      },
    },
    {
      id: 2,
      method: "tools/call",
      params: {
        name: "report",
        arguments: { message: "no luck", outcome: "FAILED" },
      },
    },
    {
      id: 3,
      method: "tools/call",
      params: { name: "dispatch_worker", arguments: { task: "true", agent: "shell" } },
    },
    { id: 4, method: "tools/list", params: {} },
    { id: 5, method: "tools/call", params: { name: "get_worker", arguments: { id: "worker-1" } } },
  ].map((message) => JSON.stringify({ jsonrpc: "2.0", ...message }));
  // The input stays open, as an agent's does, until everything is answered.
  const task = `mkfifo "$TMPDIR/in"
factory mcp <"$TMPDIR/in" >"$TMPDIR/out" & exec 3>"$TMPDIR/in"
cat >&3 <<'END'
${messages.join("\n")}
END
tail -n +1 -f "$TMPDIR/out" | head -n ${String(messages.length)}
exec 3>&-; wait`;
  const changes = followParent(server, "a-parent", 0);
  const { name } = await dispatch(server, { parentSession: "a-parent", task, repository });
  const { stdout, status } = await untilEnded(server, name);
  const answers = new Map(
    stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { id: number; result: Record<string, unknown> })
      .map(({ id, result }) => [id, result]),
  );
  expect(answers.get(2)).toMatchObject({ structuredContent: { worker: name, outcome: "FAILED" } });
  expect(answers.get(3)).toMatchObject({
    structuredContent: { parentSession: name, repository: "acme/app" },
  });
  const { tools } = answers.get(4) as { tools: { name: string }[] };
  expect(tools.map((tool) => tool.name)).toContain("report");
  expect(tools.map((tool) => tool.name)).not.toContain("delete_worktree");
  expect(answers.get(5)).toMatchObject({
    isError: true,
    content: [{ text: expect.stringMatching(/^FORBIDDEN: /) }],
  });
  // What it reported decides, though it ended with 0.
  expect(status).toBe("FAILED");
  expect(await readWorker(server, name)).toMatchObject({ summary: "no luck", exitCode: 0 });
  await changes.until((all) =>
    all.some(({ workerStatusChanged: { report } }) => report === "no luck"),
  );
  changes.end();
  const { structuredContent } = answers.get(3) as { structuredContent: { worker: string } };
  await untilEnded(server, structuredContent.worker);
});

test("the edge refuses what /graphql refuses", async () => {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" });
  const headers = {
    "content-type": "application/json",
    accept: "application/json, text/event-stream",
  };
  const ask = (more: Record<string, string>, text = body) =>
    server.fetch("/mcp", { method: "POST", headers: { ...headers, ...more }, body: text });
  expect((await ask({ authorization: "Bearer wrong" })).status).toBe(401);
  expect((await ask({ origin: "http://evil.example" })).status).toBe(403);
  expect((await ask({}, `${body}${" ".repeat(4 * 1024 * 1024)}`)).status).toBe(413);
  expect((await ask({}, "{")).status).toBe(400);
  expect((await ask({}, `[${body}]`)).status).toBe(400);
  expect((await server.fetch("/mcp", { headers })).status).toBe(405);
  expect((await server.fetch("/mcp", { method: "DELETE", headers })).status).toBe(405);
  const answer = await ask({});
  expect(answer.status).toBe(200);
  expect(answer.headers.get("content-type")).toContain("text/event-stream");
  expect(await answer.text()).toContain("dispatch_worker");
});
