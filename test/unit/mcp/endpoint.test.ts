import { describe, expect, test } from "@jest/globals";
import type { Client } from "@modelcontextprotocol/client";
import {
  connect,
  createEndpoint,
  data,
  operator,
  refused,
  textOf,
  worker,
  type Era,
} from "../../support/mcp.ts";

const url = "http://factory.test";

const dispatched = {
  created: true,
  worker: {
    name: "worker-3",
    status: "QUEUED",
    branch: "issue-42",
    repositoryName: "acme/app",
    agent: "claude",
  },
};

async function namesOf(client: Client): Promise<string[]> {
  const { tools } = await client.listTools();
  return tools.map(({ name }) => name).toSorted();
}

const forAll = [
  "answer_permission",
  "cancel_worker",
  "create_worktree",
  "dispatch_worker",
  "get_worker",
  "list_workers",
  "send_message",
  "sync_repository",
  "wait_for_workers",
];

describe.each<Era>(["legacy", "auto"])("a client with the negotiation %s", (era) => {
  test("finds the operator's tools, or a worker's, each described and with schemas", async () => {
    for (const [viewer, more] of [
      [operator, ["clone_repository", "delete_worktree"]],
      [worker, ["report"]],
    ] as const) {
      const { fetch } = createEndpoint(viewer, () => data("nothing", null));
      const client = await connect(url, { fetch, era });
      const { tools } = await client.listTools();
      expect(tools.map(({ name }) => name).toSorted()).toEqual([...forAll, ...more].toSorted());
      for (const { description, inputSchema, outputSchema, annotations } of tools) {
        expect(description?.length).toBeGreaterThan(80);
        expect(inputSchema).toMatchObject({ type: "object", additionalProperties: false });
        expect(outputSchema).toMatchObject({ type: "object" });
        expect(annotations?.readOnlyHint).toBeDefined();
        for (const property of Object.values(inputSchema.properties ?? {})) {
          expect(property).toHaveProperty("description");
        }
      }
      await client.close();
    }
  });

  test("gets a result as structure, which fits the tool's schema, and as text", async () => {
    const { fetch, asked } = createEndpoint(operator, () => data("dispatchWorker", dispatched));
    const client = await connect(url, { fetch, era });
    // With the tools listed the client checks results against their schemas.
    await client.listTools();
    const input = { task: "fix it", parentSession: "me", issue: "https://git.test/acme/app/42" };
    const result = await client.callTool({ name: "dispatch_worker", arguments: input });
    expect(result.isError).toBeUndefined();
    expect(result.structuredContent).toEqual({
      worker: "worker-3",
      status: "QUEUED",
      created: true,
      parentSession: "me",
      repository: "acme/app",
      branch: "issue-42",
      agent: "claude",
    });
    expect(textOf(result)).toContain(`wait_for_workers(parentSession: "me")`);
    expect(asked.map(({ variables }) => variables)).toEqual([{ input }]);
    await client.close();
  });

  test("reads the API's refusal as a result with its code and message", async () => {
    const { fetch } = createEndpoint(operator, () =>
      refused("cancelWorker", "WORKER_NOT_FOUND", "there is no worker-9"),
    );
    const client = await connect(url, { fetch, era });
    await client.listTools();
    const result = await client.callTool({ name: "cancel_worker", arguments: { id: "worker-9" } });
    expect(result.isError).toBe(true);
    expect(textOf(result)).toBe("WORKER_NOT_FOUND: there is no worker-9");
    expect(result.structuredContent).toBeUndefined();
    await client.close();
  });

  test("is told which argument is wrong, and nothing is asked", async () => {
    const { fetch, asked } = createEndpoint(operator, () => data("nothing", null));
    const client = await connect(url, { fetch, era });
    for (const [given, said] of [
      [{}, "task is missing"],
      [{ task: 7, parentSession: "me" }, "task: "],
      [{ task: "x", parentSession: "me", brnach: "y" }, "brnach: there is no such argument"],
      [
        { task: "x", parentSession: "me", repository: { owner: "o" } },
        "repository.name is missing",
      ],
      [{ task: "x", parentSession: "me", cleanup: "NOW" }, "cleanup: "],
      [{ task: "x" }, "parentSession is missing"],
    ] as const) {
      const result = await client.callTool({ name: "dispatch_worker", arguments: given });
      expect(result.isError).toBe(true);
      expect(textOf(result)).toMatch(/^BAD_INPUT: /);
      expect(textOf(result)).toContain(said);
    }
    expect(asked).toEqual([]);
    await client.close();
  });

  test("that gives a call up ends what the tool waits for", async () => {
    const began = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<void>();
    const { fetch } = createEndpoint(operator, async ({ document }, signal) => {
      if (!document.includes("waitForWorkers")) {
        return data("workerSessions", { totalCount: 1, nodes: [] });
      }
      began.resolve();
      signal.addEventListener("abort", () => ended.resolve());
      await ended.promise;
      throw signal.reason;
    });
    const client = await connect(url, { fetch, era });
    const giveUp = new AbortController();
    const call = client.callTool(
      { name: "wait_for_workers", arguments: { parentSession: "me" } },
      { signal: giveUp.signal },
    );
    await began.promise;
    giveUp.abort();
    await expect(call).rejects.toThrow();
    await ended.promise;
    await client.close();
  });
});

test("a worker's calls are in its own name, for its own repository", async () => {
  const { fetch, asked } = createEndpoint(worker, ({ document }) =>
    document.includes("repositories")
      ? data("repositories", { nodes: [{ owner: "acme", name: "app" }] })
      : data("dispatchWorker", dispatched),
  );
  const client = await connect(url, { fetch });
  await client.callTool({ name: "dispatch_worker", arguments: { task: "a part of it" } });
  expect(asked.at(-1)?.variables).toEqual({
    input: {
      task: "a part of it",
      parentSession: "worker-7",
      repository: { owner: "acme", name: "app" },
    },
  });
  await client.close();
});

test("one client's cancellation ends no other client's call of the same id", async () => {
  const began = Promise.withResolvers<void>();
  let isAborted = false;
  const release = Promise.withResolvers<void>();
  const { fetch } = createEndpoint(operator, async (_asked, signal) => {
    signal.addEventListener("abort", () => (isAborted = true));
    began.resolve();
    await release.promise;
    return data("cancelWorker", { worker: { name: "worker-1", status: "RUNNING" } });
  });
  const post = (session: string, message: object) =>
    fetch(`${url}/mcp`, {
      method: "POST",
      headers: {
        accept: "application/json, text/event-stream",
        "content-type": "application/json",
        "mcp-session-id": session,
      },
      body: JSON.stringify({ jsonrpc: "2.0", ...message }),
    });
  const params = { name: "cancel_worker", arguments: { id: "worker-1" } };
  const answer = await post("one", { id: 1, method: "tools/call", params });
  await began.promise;
  await post("other", { method: "notifications/cancelled", params: { requestId: 1 } });
  release.resolve();
  expect(await answer.text()).toContain("worker-1");
  expect(isAborted).toBe(false);
});

test("an unexpected failure is masked, under an id", async () => {
  const { fetch } = createEndpoint(operator, () => {
    throw new Error("a secret of the server");
  });
  const client = await connect(url, { fetch });
  const result = await client.callTool({ name: "list_workers", arguments: {} });
  expect(result.isError).toBe(true);
  expect(textOf(result)).toMatch(/^INTERNAL: .*[0-9a-f-]{36}$/);
  expect(textOf(result)).not.toContain("secret");
  await client.close();
});

test("what isn't one JSON-RPC message, and other methods than POST, are refused as the protocol says", async () => {
  const { fetch } = createEndpoint(operator, () => data("nothing", null));
  const headers = {
    accept: "application/json, text/event-stream",
    "content-type": "application/json",
  };
  for (const [body, status, code] of [
    ["{", 400, -32_700],
    [`[{"jsonrpc":"2.0","id":1,"method":"tools/list"}]`, 400, -32_600],
    ["{}", 400, undefined],
    [`"x"`, 400, undefined],
    ["null", 400, undefined],
  ] as const) {
    const response = await fetch(`${url}/mcp`, { method: "POST", headers, body });
    expect([body, response.status]).toEqual([body, status]);
    const answer = (await response.json()) as { error: { code: number } };
    if (code !== undefined) expect(answer.error.code).toBe(code);
    else expect(answer.error.code).toBeLessThan(0);
  }
  for (const method of ["GET", "DELETE"]) {
    expect((await fetch(`${url}/mcp`, { method, headers })).status).toBe(405);
  }
  const form = { ...headers, "content-type": "text/plain" };
  expect((await fetch(`${url}/mcp`, { method: "POST", headers: form, body: "{}" })).status).toBe(
    415,
  );
});

test("an unknown tool is an error of the protocol", async () => {
  const { fetch } = createEndpoint(worker, () => data("nothing", null));
  const client = await connect(url, { fetch });
  expect(await namesOf(client)).not.toContain("delete_worktree");
  await expect(client.callTool({ name: "delete_worktree", arguments: {} })).rejects.toThrow(
    /delete_worktree/,
  );
  await client.close();
});
