// Long polls, for parents that can't hold a stream.
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import pg from "pg";
import { startMember } from "../support/family.ts";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { prepareParent, type AppendToParent } from "../support/parent-stream.ts";
import { dispatch, eventually, untilEnded } from "../support/workers.ts";

let git: GitServer;
let server: FactoryServer;
let database: pg.Client;
const repository = { owner: "acme", name: "app" };

beforeAll(async () => {
  git = await startGitServer();
  await git.createRepository("acme", "app");
  server = await startFactory({ git, env: { FACTORY_LOG_LEVEL: "debug" } });
  database = new pg.Client({ connectionString: server.databaseUrl });
  await database.connect();
});

afterAll(async () => {
  await database.end();
  await server.dispose();
  await git.stop();
});

const document = `query ($parentSession: String!, $after: Int!, $timeoutSeconds: Int) {
  waitForWorkers(parentSession: $parentSession, after: $after, timeoutSeconds: $timeoutSeconds) {
    sequence previousStatus status reason report worker { name }
  }
}`;

interface Change {
  readonly sequence: number;
  readonly status: string;
  readonly reason: string | null;
}

async function wait(
  on: FactoryServer,
  variables: { parentSession: string; after: number; timeoutSeconds?: number },
): Promise<readonly Change[]> {
  const { waitForWorkers } = await on.query<{ waitForWorkers: Change[] }>(document, variables);
  return waitForWorkers;
}

function prepare(parentSession: string): Promise<AppendToParent> {
  return prepareParent(server, database, { parentSession, repository });
}

describe("a long poll", () => {
  test("answers at once with what has happened", async () => {
    await prepare("at-once");
    const changes = await wait(server, { parentSession: "at-once", after: 1, timeoutSeconds: 300 });
    expect(changes.map(({ sequence, status }) => [sequence, status])).toEqual([
      [2, "PREPARING"],
      [3, "RUNNING"],
      [4, "SUCCEEDED"],
    ]);
  });

  test("answers as soon as something happens, and holds no connection of the database until then", async () => {
    const append = await prepare("later");
    // More than there are connections to the database.
    const polls = Array.from({ length: 40 }, () =>
      wait(server, { parentSession: "later", after: 4, timeoutSeconds: 300 }),
    );
    expect(await server.codes("{ parentSessions { totalCount } }")).toEqual([]);
    await append(database, "news");
    for (const changes of await Promise.all(polls)) {
      expect(changes).toMatchObject([{ sequence: 5, reason: "news" }]);
    }
  });

  test("waits for a parent that doesn't exist yet", async () => {
    const waited = wait(server, { parentSession: "unborn", after: 0, timeoutSeconds: 300 });
    const { id } = await dispatch(server, { parentSession: "unborn", repository, task: "true" });
    expect((await waited)[0]).toMatchObject({ sequence: 1, status: "QUEUED" });
    await untilEnded(server, id);
  });

  test("answers with nothing when the time is over", async () => {
    await prepare("quiet");
    expect(await wait(server, { parentSession: "quiet", after: 4, timeoutSeconds: 1 })).toEqual([]);
  });

  test("ends with its client", async () => {
    await prepare("gone");
    const client = new AbortController();
    const variables = { parentSession: "gone", after: 4, timeoutSeconds: 300 };
    const request = server.fetch("/graphql", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ query: document, variables }),
      signal: client.signal,
    });
    expect(await server.codes("{ __typename }")).toEqual([]);
    client.abort();
    await expect(request).rejects.toThrow();
    // That the signal then ends the wait itself is shown by test/unit/events/wait.test.ts.
    await eventually(() => server.log.some((line) => line.includes("a client left")));
  });

  test("is refused where a stream is refused, and for a time that it may not take", async () => {
    await prepare("edges");
    const codes = (variables: object) =>
      server.codes(document, { parentSession: "edges", after: 0, ...variables });
    expect(await codes({ after: 5 })).toEqual(["CURSOR_AHEAD"]);
    expect(await codes({ after: -1 })).toEqual(["BAD_INPUT"]);
    expect(await codes({ parentSession: "" })).toEqual(["BAD_INPUT"]);
    for (const timeoutSeconds of [0, -1, 301]) {
      const { errors } = await server.send(document, {
        parentSession: "edges",
        after: 0,
        timeoutSeconds,
      });
      expect(errors).toMatchObject([
        {
          message: expect.stringContaining("timeoutSeconds"),
          extensions: { code: "BAD_INPUT" },
        },
      ]);
    }
    await database.query(`UPDATE "Stream" SET "firstSequence" = 4 WHERE key = 'parent:edges'`);
    expect(await codes({ after: 1 })).toEqual(["EVENTS_EXPIRED"]);
  });

  test("with a worker's token is of its own children, and ends with its session", async () => {
    const member = await startMember(server, {
      parentSession: "above",
      repository,
      branch: "member",
    });
    const as = (parentSession: string) =>
      server.codes(document, { parentSession, after: 0, timeoutSeconds: 1 }, member.token);
    expect(await as("above")).toEqual(["FORBIDDEN"]);
    expect(await as("worker-1")).toEqual(["FORBIDDEN"]);
    expect(await as(member.name)).toEqual([]);
    const waited = server.codes(
      document,
      { parentSession: member.name, after: 0, timeoutSeconds: 5 },
      member.token,
    );
    await member.release();
    await untilEnded(server, member.name);
    expect(await waited).toEqual(["UNAUTHENTICATED"]);
    await member.dispose();
  });
});

test("a stop of the server answers those who wait", async () => {
  await prepare("stop");
  const waited = wait(server, { parentSession: "stop", after: 4, timeoutSeconds: 300 });
  expect(await server.codes("{ __typename }")).toEqual([]);
  expect(await server.terminate()).toBe(0);
  expect(await waited).toEqual([]);
});
