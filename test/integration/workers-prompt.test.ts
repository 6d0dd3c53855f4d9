// What agents are told at their start, and how they report with the command.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { startIssueHost, type IssueHostServer } from "../support/issue-host.ts";
import { cancel, dispatch, eventually, followParent, untilEnded } from "../support/workers.ts";

const repository = { owner: "acme", name: "app" };
let folder: string;
let git: GitServer;
let host: IssueHostServer;
let server: FactoryServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "factory-agents-"));
  const file = join(folder, "agents.json");
  // Prints what it is told, as it is: lines that are none of its protocol are output.
  const echo = { command: ["printf", "%s", "{task}"], protocol: "claude-stream-json" };
  const program = join(import.meta.dirname, "..", "support", "acp-agent.ts");
  const scripted = { command: [process.execPath, program], protocol: "acp" };
  await writeFile(file, JSON.stringify({ agents: { echo, scripted } }));
  git = await startGitServer();
  await git.createRepository("acme", "app");
  host = await startIssueHost();
  server = await startFactory({
    git,
    env: {
      FACTORY_AGENTS: file,
      GITHUB_URL: host.url,
      GITHUB_TOKEN: "a-token-for-issues",
    },
  });
});

afterAll(async () => {
  await server.dispose();
  await host.stop();
  await git.stop();
  await rm(folder, { recursive: true, force: true });
});

interface Told {
  readonly role?: string;
  readonly text?: string;
  readonly channel?: string;
}

/** The worker's messages and output, as stored. */
async function readTold(id: string): Promise<readonly Told[]> {
  const { workerSession } = await server.query<{ workerSession: { events: Told[] } }>(
    `query ($id: ID!) { workerSession(id: $id) { events {
      ... on WorkerMessageEvent { role text }
      ... on WorkerOutputEvent { channel text }
    } } }`,
    { id },
  );
  return workerSession.events.filter(({ text }) => text !== undefined);
}

const issue = { title: "It breaks", body: "Always.", state: "open", labels: [], comments: 0 };

test("an agent is told its task, its place and its issue", async () => {
  host.answer("/api/v3/repos/acme/app/issues/42", { body: issue });
  const url = `${host.url}/acme/app/issues/42`;
  const { id } = await dispatch(server, {
    parentSession: "told",
    agent: "echo",
    task: "Fix it.",
    repository,
    issue: url,
  });
  const { worktree, stdout } = await untilEnded(server, id);
  const [message] = await readTold(id);
  expect(stdout.trimEnd()).toBe(message?.text);
  expect(message?.text).toMatch(/^Fix it\.\n\n---\n/);
  for (const part of ["acme/app", "issue-42", worktree!.path, url, "Title: It breaks\n"]) {
    expect(stdout).toContain(part);
  }
  expect(stdout).not.toContain("a-token-for-issues");
  // Its start line comes from a file, and has no flag for the MCP server.
  expect(stdout).toContain('Run `factory report "TEXT"`');
  expect(stdout).not.toContain("MCP");
  expect(host.asked.map(({ headers }) => headers.authorization)).toEqual([
    "Bearer a-token-for-issues",
  ]);
});

test("the event log shows what an agent was told, and why its issue could not be read", async () => {
  const { id } = await dispatch(server, {
    parentSession: "told",
    agent: "scripted",
    task: "do: say Done.",
    repository,
    branch: "other-issue",
    issue: "https://tracker.test/acme/app/issues/7",
  });
  expect(await untilEnded(server, id)).toMatchObject({ status: "SUCCEEDED", summary: "Done." });
  const [prompt, note] = await readTold(id);
  expect(prompt).toEqual({
    role: "USER",
    text: expect.stringMatching(
      /^do: say Done\.\n\n---\n[^]*tool `report` of the MCP server[^]*\(tracker\.test is none of the hosts/,
    ),
  });
  expect(note).toEqual({
    channel: "STDERR",
    text: expect.stringMatching(/^\[factory\] the issue .* could not be fetched: tracker\.test/),
  });
});

test("the longest task and the longest issue still start", async () => {
  host.answer("/api/v3/repos/acme/app/issues/43", {
    body: { ...issue, body: "x".repeat(200_000) },
  });
  const { id } = await dispatch(server, {
    parentSession: "told",
    agent: "echo",
    task: "y".repeat(100_000),
    repository,
    issue: `${host.url}/acme/app/issues/43`,
  });
  const ended = await untilEnded(server, id);
  expect(ended).toMatchObject({ exitCode: 0 });
  expect(ended.stdout).toContain("[cut: 200000 bytes in all]");
});

test("shell gets the bare task, and nothing is asked of the issue's host", async () => {
  const before = host.asked.length;
  const { id } = await dispatch(server, {
    parentSession: "told",
    task: 'echo "plain: $FACTORY_TASK" | head -c 20',
    repository,
    branch: "plain",
    issue: `${host.url}/acme/app/issues/42`,
  });
  const ended = await untilEnded(server, id);
  expect(ended).toMatchObject({ status: "SUCCEEDED", stderr: "" });
  expect(ended.stdout).toBe('plain: echo "plain: ');
  expect(await readTold(id)).toEqual([expect.objectContaining({ channel: "STDOUT" })]);
  expect(host.asked).toHaveLength(before);
});

test("a worker that is cancelled while its issue is read ends at once", async () => {
  host.answer("/api/v3/repos/acme/app/issues/44", "hang");
  const { id } = await dispatch(server, {
    parentSession: "told",
    agent: "echo",
    task: "Fix it.",
    repository,
    issue: `${host.url}/acme/app/issues/44`,
  });
  await eventually(() => host.asked.some(({ path }) => path.endsWith("/44")));
  await cancel(server, id, "enough");
  expect(await untilEnded(server, id)).toMatchObject({ status: "CANCELLED", startedAt: null });
});

test("a worker reports with the command, and its outcome decides", async () => {
  const { id, name } = await dispatch(server, {
    parentSession: "reported",
    task: 'factory report "half of it" && factory report "2 tests fail" --outcome failed; factory report; echo "usage: $?"',
    repository,
    branch: "reports",
  });
  const ended = await untilEnded(server, id);
  expect(ended).toMatchObject({ status: "FAILED", summary: "2 tests fail" });
  expect(ended.stdout).toBe("usage: 2\n");
  const parent = followParent(server, "reported", 0);
  await parent.until((all) =>
    all.some(({ workerStatusChanged }) => workerStatusChanged.status === "FAILED"),
  );
  parent.end();
  expect(
    parent.messages
      .map(({ workerStatusChanged }) => workerStatusChanged)
      .filter(({ report }) => report !== null),
  ).toEqual([
    expect.objectContaining({ report: "half of it", outcome: null, worker: { name } }),
    expect.objectContaining({ report: "2 tests fail", outcome: "FAILED", worker: { name } }),
  ]);
});
