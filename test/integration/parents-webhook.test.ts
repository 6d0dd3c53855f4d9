// Webhooks of parents, through the public API: what every delivery is like, test/unit/workers/webhooks shows.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { startMember } from "../support/family.ts";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { queryDatabase } from "../support/inventory.ts";
import { isSignedWith, sequences, startReceiver, type Receiver } from "../support/receiver.ts";
import { createGate, dispatch, untilEnded, untilPrinted } from "../support/workers.ts";

let git: GitServer;
let server: FactoryServer;
let receiver: Receiver;
const repository = { owner: "acme", name: "app" };

beforeAll(async () => {
  git = await startGitServer();
  await git.createRepository("acme", "app");
  server = await startFactory({ git });
});

beforeEach(async () => {
  receiver = await startReceiver();
});

afterEach(async () => {
  await receiver.close();
});

afterAll(async () => {
  await server.dispose();
  await git.stop();
});

const webhookDocument = `mutation ($input: SetParentWebhookInput!) {
  setParentWebhook(input: $input) {
    parentSession { name webhook { url isSigned deliveredSequence failingSince error endedAt } }
  }
}`;
const budgetDocument = `mutation ($input: SetParentBudgetInput!) {
  setParentBudget(input: $input) { parentSession { name maxCostUsd usage { costUsd } } }
}`;

function setWebhook(parentSession: string, url: string | null, secret?: string) {
  return server.query(webhookDocument, { input: { parentSession, url, secret } });
}

describe("a webhook", () => {
  test("that is set before the first dispatch gets all of it, signed", async () => {
    expect(await setWebhook("early", receiver.url, "a secret")).toEqual({
      setParentWebhook: {
        parentSession: {
          name: "early",
          webhook: {
            url: receiver.url,
            isSigned: true,
            deliveredSequence: 0,
            failingSince: null,
            error: null,
            endedAt: null,
          },
        },
      },
    });
    const { name } = await dispatch(server, { parentSession: "early", repository, task: "true" });
    await receiver.until(({ length }) => length === 4);
    expect(sequences(receiver.received)).toEqual([1, 2, 3, 4]);
    expect(receiver.received.map(({ body }) => body.status)).toEqual([
      "QUEUED",
      "PREPARING",
      "RUNNING",
      "SUCCEEDED",
    ]);
    for (const one of receiver.received) {
      expect(isSignedWith("a secret", one)).toBe(true);
      expect(one.body).toMatchObject({ parentSession: "early", worker: { name } });
    }
    const rows = await queryDatabase<{ secret: string }>(server, `SELECT * FROM "ParentWebhook"`);
    expect(JSON.stringify(rows)).not.toContain("a secret");
  });

  test("misses nothing while the receiver is down and the server is killed and started again", async () => {
    const gate = await createGate();
    await setWebhook("outage", receiver.url, "a secret");
    const task = `echo here; ${gate.wait}`;
    const { id } = await dispatch(server, { parentSession: "outage", repository, task });
    await untilPrinted(server, id, "here");
    await receiver.until(({ length }) => length >= 3);
    await receiver.close();
    await gate.open();
    await untilEnded(server, id);
    await server.kill();
    await receiver.open();
    server = await server.restart();
    await receiver.until((received) => received.some(({ body }) => body.sequence === 4));
    expect([...new Set(sequences(receiver.received))]).toEqual([1, 2, 3, 4]);
    await gate.dispose();
  });

  test("that is ended hears no more", async () => {
    await setWebhook("ended", receiver.url);
    await setWebhook("ended", null);
    await setWebhook("heard", receiver.url);
    for (const parentSession of ["ended", "heard"]) {
      const { id } = await dispatch(server, { parentSession, repository, task: "true" });
      await untilEnded(server, id);
    }
    await receiver.until(({ length }) => length === 4);
    expect(new Set(receiver.received.map(({ body }) => body.parentSession))).toEqual(
      new Set(["heard"]),
    );
  });
});

describe("a budget", () => {
  test("that is used up refuses a dispatch with both figures, until it is raised", async () => {
    const { id } = await dispatch(server, { parentSession: "rich", repository, task: "true" });
    await untilEnded(server, id);
    // What an agent tells at its end; shell tells none.
    await queryDatabase(
      server,
      `UPDATE "WorkerSession" SET "inputTokens" = 2000000000, "outputTokens" = 7, "costUsd" = 1.5
       WHERE "parentSessionId" = (SELECT id FROM "ParentSession" WHERE name = 'rich')`,
    );
    const set = (maxCostUsd: number | null) =>
      server.query(budgetDocument, { input: { parentSession: "rich", maxCostUsd } });
    expect(await set(1.5)).toEqual({
      setParentBudget: {
        parentSession: { name: "rich", maxCostUsd: 1.5, usage: { costUsd: 1.5 } },
      },
    });
    await expect(
      dispatch(server, { parentSession: "rich", repository, task: "true" }),
    ).rejects.toThrow(/LIMIT_EXCEEDED.*"maxCostUsd":1.5,"costUsd":1.5/);
    await set(2);
    const second = await dispatch(server, { parentSession: "rich", repository, task: "true" });
    await untilEnded(server, second.id);
  });

  test("usage is the sum of the workers', and null where none tells any", async () => {
    await dispatch(server, { parentSession: "silent", repository, task: "true" });
    const { parentSession } = await server.query<{ parentSession: { usage: unknown } }>(
      `{ parentSession(name: "silent") { usage { costUsd } } }`,
    );
    expect(parentSession).toEqual({ usage: null });
    const read = `{ parentSession(name: "rich") { usage { inputTokens outputTokens costUsd } } }`;
    expect(await server.query(read)).toEqual({
      parentSession: { usage: { inputTokens: 2_000_000_000, outputTokens: 7, costUsd: 1.5 } },
    });
    await queryDatabase(
      server,
      `UPDATE "WorkerSession" SET "inputTokens" = 2000000000, "outputTokens" = 1
       WHERE "parentSessionId" = (SELECT id FROM "ParentSession" WHERE name = 'rich')`,
    );
    expect(await server.query(read)).toEqual({
      parentSession: { usage: { inputTokens: 2 ** 31 - 1, outputTokens: 2, costUsd: 1.5 } },
    });
  });
});

describe("refused", () => {
  test.each([
    ["a url of another scheme", { url: "file:///etc/passwd" }, "BAD_INPUT"],
    ["a url with a password", { url: "http://me:hunter2@127.0.0.1/" }, "BAD_INPUT"],
    ["a url that is too long", { url: `http://127.0.0.1/${"x".repeat(2_000)}` }, "BAD_INPUT"],
    ["an empty secret", { url: "http://127.0.0.1/", secret: "" }, "BAD_INPUT"],
    ["an empty name", { parentSession: "", url: "http://127.0.0.1/" }, "BAD_INPUT"],
    [
      "a worker that isn't there",
      { parentSession: "worker-999", url: "http://127.0.0.1/" },
      "WORKER_NOT_FOUND",
    ],
    ["the end of what never was", { url: null }, "NOT_FOUND"],
  ])("%s", async (_what, input, code) => {
    const variables = { input: { parentSession: "nobody", ...input } };
    expect(await server.codes(webhookDocument, variables)).toEqual([code]);
    expect(await server.query(`{ parentSession(name: "nobody") { name } }`)).toEqual({
      parentSession: null,
    });
  });

  test.each([[0], [-1], [1_000_001]])("a budget of %d", async (maxCostUsd) => {
    const variables = { input: { parentSession: "nobody", maxCostUsd } };
    expect(await server.codes(budgetDocument, variables)).toEqual(["BAD_INPUT"]);
  });

  test("a worker's token, also for its own name", async () => {
    const member = await startMember(server, {
      parentSession: "above",
      repository,
      branch: "member",
    });
    for (const parentSession of ["above", member.name]) {
      const url = receiver.url;
      const webhook = { input: { parentSession, url } };
      expect(await server.codes(webhookDocument, webhook, member.token)).toEqual(["FORBIDDEN"]);
      const budget = { input: { parentSession, maxCostUsd: 5 } };
      expect(await server.codes(budgetDocument, budget, member.token)).toEqual(["FORBIDDEN"]);
    }
    await member.release();
    await untilEnded(server, member.name);
    await member.dispose();
  });
});
