// What is told of workers: by answers of the API as the contract shapes them.
import { expect, test } from "@jest/globals";
import type { Answer } from "../../../src/ask.ts";
import { mostDiffCharacters } from "../../../src/mcp/diff.ts";
import { connect, createEndpoint, data, operator, textOf, type Asked } from "../../support/mcp.ts";

const url = "http://factory.test";

async function callTool(
  name: string,
  args: Record<string, unknown>,
  answer: (asked: Asked) => Answer,
) {
  const { fetch, asked } = createEndpoint(operator, answer);
  const client = await connect(url, { fetch });
  // With the tools listed the client checks results against their schemas.
  await client.listTools();
  const result = await client.callTool({ name, arguments: args });
  await client.close();
  return { result, text: textOf(result), asked };
}

interface Change {
  readonly sequence: number;
  readonly worker?: string;
  readonly [field: string]: unknown;
}

function change({ worker = "worker-1", ...given }: Change): object {
  return {
    previousStatus: null,
    status: "RUNNING",
    reason: null,
    report: null,
    outcome: null,
    commitCount: null,
    uncommittedFileCount: null,
    summary: null,
    permission: null,
    worker: { name: worker },
    ...given,
  };
}

const permission = {
  id: "p1",
  title: "Tidy up",
  command: "rm -rf build",
  kind: "execute",
  locations: ["build"],
  diff: null,
  options: [{ id: "yes", name: "Allow", kind: "allow_once" }],
};
const unfinished = (...nodes: object[]) =>
  data("workerSessions", { totalCount: nodes.length, nodes });

test("wait_for_workers passes over what is no news, and goes on after it", async () => {
  const end = { commitCount: 2, uncommittedFileCount: 1, summary: "It is done." };
  const pages = [
    [change({ sequence: 1, status: "QUEUED" }), change({ sequence: 2, status: "RUNNING" })],
    [
      change({ sequence: 3, report: "half done" }),
      change({ sequence: 4, status: "SUCCEEDED", ...end }),
    ],
  ];
  const { result, text, asked } = await callTool(
    "wait_for_workers",
    { parentSession: "me" },
    ({ document }) =>
      document.includes("waitForWorkers(")
        ? data("waitForWorkers", pages.shift())
        : unfinished({ name: "worker-2", pendingPermissions: [permission] }),
  );
  const waits = asked.filter(({ document }) => document.includes("waitForWorkers("));
  expect(waits.map(({ variables }) => variables["after"])).toEqual([0, 2]);
  expect(result.structuredContent).toEqual({
    changes: [
      expect.objectContaining({ sequence: 3, worker: "worker-1", report: "half done" }),
      expect.objectContaining({ sequence: 4, worker: "worker-1", status: "SUCCEEDED", ...end }),
    ],
    after: 4,
    more: false,
    unfinished: 1,
    knownParents: null,
    pendingPermissions: [
      {
        worker: "worker-2",
        requestId: "p1",
        title: "Tidy up",
        command: "rm -rf build",
        kind: "execute",
        locations: ["build"],
        diff: null,
        options: permission.options,
      },
    ],
  });
  expect(text).toContain("worker-1 reports: half done");
  expect(text).toContain("worker-1 is SUCCEEDED (2 commits, 1 uncommitted file)");
  expect(text).toContain("Summary: It is done.");
  expect(text).toContain("worker-2 asks: Tidy up\n  Runs: rm -rf build\n  At: build");
  expect(text).toContain(`answer_permission(id: "worker-2", requestId: "p1", optionId: one of yes`);
  expect(text).toContain(`wait_for_workers(parentSession: "me", after: 4)`);
});

test("wait_for_workers answers at every change where that is asked for", async () => {
  const { result, asked } = await callTool(
    "wait_for_workers",
    { parentSession: "me", after: 7, everyChange: true },
    ({ document }) =>
      document.includes("waitForWorkers(")
        ? data("waitForWorkers", [change({ sequence: 8 })])
        : unfinished({ name: "worker-1", pendingPermissions: [] }),
  );
  expect(asked.filter(({ document }) => document.includes("waitForWorkers(")).length).toBe(1);
  expect(result.structuredContent).toMatchObject({ after: 8, changes: [{ status: "RUNNING" }] });
});

test("wait_for_workers doesn't wait where nobody is at work", async () => {
  const { result, text, asked } = await callTool(
    "wait_for_workers",
    { parentSession: "me", after: 3, timeoutSeconds: 300 },
    ({ document }) =>
      document.includes("waitForWorkers(") ? data("waitForWorkers", []) : unfinished(),
  );
  expect(asked.filter(({ document }) => document.includes("waitForWorkers(")).length).toBe(1);
  expect(result.structuredContent).toMatchObject({ changes: [], after: 3, unfinished: 0 });
  expect(text).toBe("Nothing new.\nNo worker is unfinished.");
});

test("wait_for_workers tells of a long past in parts", async () => {
  const past = Array.from({ length: 250 }, (_, index) =>
    change({ sequence: index + 1, worker: `worker-${String(index)}`, status: "SUCCEEDED" }),
  );
  const { result } = await callTool("wait_for_workers", { parentSession: "me" }, ({ document }) =>
    document.includes("waitForWorkers(") ? data("waitForWorkers", past) : unfinished(),
  );
  expect(result.structuredContent).toMatchObject({ after: 100, more: true });
});

test("wait_for_workers tells who ended after the changes were read, where nobody would call again", async () => {
  const stream = [change({ sequence: 1, status: "SUCCEEDED" })];
  let isUnfinished = true;
  const { result, text } = await callTool(
    "wait_for_workers",
    { parentSession: "me" },
    ({ document, variables }) => {
      if (document.includes("parentSession(")) return data("parentSession", { lastSequence: 2 });
      if (!document.includes("waitForWorkers(")) {
        return isUnfinished
          ? unfinished({ name: "worker-2", pendingPermissions: [] })
          : unfinished();
      }
      const told = stream.slice(Number(variables["after"]));
      if (isUnfinished) stream.push(change({ sequence: 2, worker: "worker-2", status: "FAILED" }));
      isUnfinished = false;
      return data("waitForWorkers", told);
    },
  );
  expect(result.structuredContent).toMatchObject({
    changes: [
      { worker: "worker-1", status: "SUCCEEDED" },
      { worker: "worker-2", status: "FAILED" },
    ],
    after: 2,
    unfinished: 0,
    more: false,
  });
  expect(text).toContain("worker-2 is FAILED");
});

test("wait_for_workers comes to its end where the server answers with nothing, because it stops", async () => {
  const { result } = await callTool("wait_for_workers", { parentSession: "me" }, ({ document }) => {
    if (document.includes("parentSession("))
      return data("parentSession", { lastSequence: 2, workerCounts: { total: 1 } });
    return document.includes("waitForWorkers(") ? data("waitForWorkers", []) : unfinished();
  });
  expect(result.structuredContent).toMatchObject({ changes: [], after: 0, unfinished: 0 });
});

const session = {
  name: "worker-1",
  status: "FAILED",
  statusReason: "exit code 1",
  failureCode: null,
  summary: "could not do it",
  task: "do it",
  agent: "shell",
  repositoryName: "acme/app",
  branch: "issue-1",
  exitCode: 1,
  startedAt: "2026-01-01T00:00:00.000Z",
  finishedAt: "2026-01-01T00:01:00.000Z",
  lastSequence: 900,
  commits: [{ id: "0123456789abcdef0123456789abcdef01234567", subject: "Half of it" }],
  usage: { inputTokens: 10, outputTokens: 20, costUsd: 0.5 },
  pushedTo: null,
  pendingPermissions: [],
};
const longDiff = `diff --git a/a.txt b/a.txt\n--- a/a.txt\n+++ b/a.txt\n@@ -0,0 +1,9000 @@\n${"+more\n".repeat(9_000)}`;
const worktree = {
  path: "/somewhere",
  uncommittedFileCount: 1,
  diff: { text: longDiff, truncated: false, filesChanged: 1, insertions: 9_000, deletions: 0 },
};

test("get_worker tells commits and a diff that is cut, with how to go on", async () => {
  const { result, text } = await callTool("get_worker", { id: "worker-1" }, () =>
    data("workerSession", { ...session, worktree }),
  );
  const { diff } = result.structuredContent as { diff: { text: string; next: number } };
  expect(diff.text.length).toBeLessThanOrEqual(mostDiffCharacters);
  expect(longDiff.startsWith(diff.text)).toBe(true);
  expect(text).toContain(`get_worker(id: "worker-1", diffOffset: ${String(diff.next)})`);
  expect(text).toContain("0123456789ab Half of it");
  expect(text).toContain("worker-1 (shell) is FAILED: exit code 1, exit code 1.");

  const rest = await callTool("get_worker", { id: "worker-1", diffOffset: diff.next }, () =>
    data("workerSession", { ...session, worktree }),
  );
  const next = rest.result.structuredContent as { diff: { text: string } };
  expect(longDiff.slice(diff.text.length).startsWith(next.diff.text)).toBe(true);
});

test("get_worker tells the last of the output, and what could not be told", async () => {
  const { result, text, asked } = await callTool(
    "get_worker",
    { id: "worker-1", output: true },
    ({ document }) =>
      document.includes("events(")
        ? data("workerSession", {
            events: [{ text: "x".repeat(5_000) }, { title: "npm test" }, { text: "it broke" }, {}],
          })
        : {
            data: { workerSession: { ...session, worktree: { ...worktree, diff: null } } },
            faults: [
              {
                code: "RUNNER_UNAVAILABLE",
                message: "runner r1 is away",
                path: ["workerSession", "worktree", "diff"],
              },
            ],
          },
  );
  expect(asked[1]?.variables).toMatchObject({ after: 840 });
  const told = result.structuredContent as { output: string; diff: null; gaps: string[] };
  expect(told.output.length).toBe(4_001);
  expect(told.output.endsWith("[npm test]\nit broke")).toBe(true);
  expect(told.diff).toBeNull();
  expect(told.gaps).toEqual(["worktree.diff: RUNNER_UNAVAILABLE: runner r1 is away"]);
  expect(text).toContain("Not told: worktree.diff");
});

test("get_worker tells the output that is left where retention has removed the rest", async () => {
  const { result, asked } = await callTool(
    "get_worker",
    { id: "worker-1", diff: false, output: true },
    ({ document, variables }) => {
      if (!document.includes("events(")) {
        return data("workerSession", { ...session, worktree: null });
      }
      if (Number(variables["after"]) >= 899) return data("workerSession", { events: [{}] });
      const expired = {
        code: "EVENTS_EXPIRED",
        message: "no longer kept",
        path: ["workerSession"],
      };
      return { data: null, faults: [{ ...expired, facts: { firstSequence: 900 } }] };
    },
  );
  expect(asked.slice(1).map(({ variables }) => variables["after"])).toEqual([840, 899]);
  expect(result.structuredContent).toMatchObject({ status: "FAILED", output: "" });
});

test("get_worker of a worker that there isn't is WORKER_NOT_FOUND", async () => {
  const { text, result } = await callTool("get_worker", { id: "worker-99" }, () =>
    data("workerSession", null),
  );
  expect(result.isError).toBe(true);
  expect(text).toMatch(/^WORKER_NOT_FOUND: .*worker-99/);
});
