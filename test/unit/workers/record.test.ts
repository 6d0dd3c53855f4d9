import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { connectDatabase, type DatabaseConnection } from "../../../src/database/client.ts";
import { Prisma } from "../../../src/generated/prisma/client.ts";
import type { WorkerSession, Worktree } from "../../../src/generated/prisma/client.ts";
import type { WorkerStatus } from "../../../src/generated/prisma/enums.ts";
import { changeWorker, type WorkerChange } from "../../../src/workers/record.ts";
import { isActive, isFinal, workerTransitions } from "../../../src/workers/states.ts";
import { createDatabase, type TestDatabase } from "../../support/postgres.ts";
import { createSession, worktreeStatus } from "./rows.ts";

/** The table of the contract, written down a second time. */
const allowed: Readonly<Record<WorkerStatus, readonly WorkerStatus[]>> = {
  QUEUED: ["PREPARING", "CANCELLED", "FAILED"],
  PREPARING: ["RUNNING", "FAILED", "CANCELLED", "LOST", "QUEUED"],
  RUNNING: ["WAITING", "SUCCEEDED", "FAILED", "CANCELLED", "TIMED_OUT", "LOST", "QUEUED"],
  WAITING: ["RUNNING", "FAILED", "CANCELLED", "TIMED_OUT", "LOST", "QUEUED"],
  SUCCEEDED: [],
  FAILED: [],
  CANCELLED: [],
  TIMED_OUT: [],
  LOST: [],
};
const statuses = Object.keys(allowed) as WorkerStatus[];
const finals = statuses.filter((status) => allowed[status].length === 0);
const pairs = statuses.flatMap((from) => statuses.map((to) => [from, to] as const));

let database: TestDatabase;
let connection: DatabaseConnection;
let session: WorkerSession;
let worktree: Worktree;

beforeAll(async () => {
  database = await createDatabase();
  connection = connectDatabase(database.url, () => {});
  ({ session, worktree } = await createSession(connection, "QUEUED"));
});

afterAll(async () => {
  await connection.close();
  await database.drop();
});

async function reset(status: WorkerStatus): Promise<void> {
  await connection.prisma.workerSession.update({
    where: { id: session.id },
    data: { status, statusReason: "before", finishedAt: null, tokenHash: "token", attempt: 1 },
  });
  await connection.prisma.worktree.update({
    where: { id: worktree.id },
    data: { status: worktreeStatus(status) },
  });
}

function change(to: WorkerStatus, more: Partial<WorkerChange> = {}) {
  return connection.prisma.$transaction((transaction) =>
    changeWorker(transaction, session.id, { status: to, reason: `now ${to}`, ...more }),
  );
}

function read() {
  return connection.prisma.workerSession.findUniqueOrThrow({
    where: { id: session.id },
    include: { worktree: true },
  });
}

test("the table is the contract's", () => {
  expect(workerTransitions).toEqual(allowed);
  expect(finals).toEqual(["SUCCEEDED", "FAILED", "CANCELLED", "TIMED_OUT", "LOST"]);
  expect(statuses.filter(isFinal)).toEqual(finals);
  expect(statuses.filter(isActive)).toEqual(["PREPARING", "RUNNING", "WAITING"]);
});

describe("a status that may follow is written, and told to both streams", () => {
  test.each(pairs.filter(([from, to]) => allowed[from].includes(to)))(
    "%s → %s",
    async (from, to) => {
      await reset(from);
      const result = await change(to);
      const row = await read();
      expect(row).toMatchObject({ status: to, statusReason: `now ${to}` });
      // A token ends with its session.
      expect([row.finishedAt !== null, row.tokenHash]).toEqual(
        isFinal(to) ? [true, null] : [false, "token"],
      );
      expect(result?.appends.slice(0, 2)).toMatchObject([
        {
          streamId: session.streamId,
          events: [
            { type: "status", payload: { previousStatus: from, status: to, reason: `now ${to}` } },
          ],
          subjects: [`WorkerSession:${session.id}`],
        },
        {
          events: [{ payload: { previousStatus: from, status: to, workerId: session.id } }],
          subjects: [`ParentSession:${session.parentSessionId}`],
        },
      ]);
      // The worktree goes with it, and its stream hears where it changed.
      expect(row.worktree?.status).toBe(worktreeStatus(to));
      expect(result?.appends).toHaveLength(worktreeStatus(from) === worktreeStatus(to) ? 2 : 3);
    },
  );
});

describe("any other status is refused, and nothing is written", () => {
  test.each(pairs.filter(([from, to]) => !isFinal(from) && !allowed[from].includes(to)))(
    "%s → %s",
    async (from, to) => {
      await reset(from);
      const before = await read();
      await expect(change(to)).rejects.toThrow(`${to} can't follow ${from}`);
      expect(await read()).toEqual(before);
    },
  );
});

describe("final is final", () => {
  test.each(pairs.filter(([from]) => isFinal(from)))("%s → %s", async (from, to) => {
    await reset(from);
    const before = await read();
    expect(await change(to)).toBeUndefined();
    expect(await read()).toEqual(before);
  });
});

describe("attempts", () => {
  beforeEach(() => reset("RUNNING"));

  test("the word of one that was replaced is refused", async () => {
    await connection.prisma.workerSession.update({
      where: { id: session.id },
      data: { attempt: 2 },
    });
    expect(await change("SUCCEEDED", { attempt: 1 })).toBeUndefined();
    expect((await read()).status).toBe("RUNNING");
    expect((await change("FAILED", { attempt: 2 }))?.session.status).toBe("FAILED");
  });

  test("of two that end a session at the same time one does", async () => {
    const results = await Promise.all([
      change("SUCCEEDED", { attempt: 1 }),
      change("CANCELLED", { attempt: 1 }),
      change("FAILED", { attempt: 1 }),
    ]);
    const [winner, ...rest] = results.filter((result) => result !== undefined);
    expect(rest).toEqual([]);
    expect((await read()).status).toBe(winner?.session.status);
  });
});

test("two sessions can't occupy one worktree", async () => {
  await reset("RUNNING");
  const {
    id: _id,
    number: _number,
    // A null that was read is no null to write.
    talk: _talk,
    ...row
  } = await connection.prisma.workerSession.findUniqueOrThrow({
    where: { id: session.id },
  });
  const stream = await connection.prisma.stream.create({ data: { key: "worker:second" } });
  const second = {
    ...row,
    talk: Prisma.DbNull,
    launch: Prisma.DbNull,
    commits: [],
    blocked: [],
    streamId: stream.id,
    tokenHash: null,
  };
  await expect(connection.prisma.workerSession.create({ data: second })).rejects.toThrow(
    /Unique constraint/,
  );
  await connection.prisma.workerSession.create({ data: { ...second, status: "QUEUED" } });
});
