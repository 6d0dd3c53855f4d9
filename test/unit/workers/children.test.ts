// How many children a worker may have, and that a cancelled family grows no more; on a real Postgres.
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { connectDatabase, type DatabaseConnection } from "../../../src/database/client.ts";
import type { WorkerSession } from "../../../src/generated/prisma/client.ts";
import type { WorkerStatus } from "../../../src/generated/prisma/enums.ts";
import type { Viewer } from "../../../src/access/viewer.ts";
import { startQueue, type WorkQueue } from "../../../src/queue/queue.ts";
import { createLogger } from "../../../src/log.ts";
import { cancelFamily, cancelWorker } from "../../../src/workers/cancel.ts";
import { assertMayHaveChild } from "../../../src/workers/children.ts";
import { createDatabase, type TestDatabase } from "../../support/postgres.ts";
import { createSession } from "./rows.ts";

let database: TestDatabase;
let connection: DatabaseConnection;
let queue: WorkQueue;
let count = 0;

beforeAll(async () => {
  database = await createDatabase();
  connection = connectDatabase(database.url, () => {});
  queue = await startQueue(database.url, await createLogger("silent"));
});

afterAll(async () => {
  await queue.stop();
  await connection.close();
  await database.drop();
});

type Database = Parameters<Parameters<typeof connection.prisma.$transaction>[0]>[0];

const operator: Viewer = { kind: "operator" };
const asWorker = (session: WorkerSession): Viewer => ({
  kind: "worker",
  sessionId: session.id,
  name: `worker-${String(session.number)}`,
  repositoryId: session.repositoryId,
});

async function first(status: WorkerStatus = "RUNNING"): Promise<WorkerSession> {
  return (await createSession(connection, status)).session;
}

/** As a dispatch writes it. */
async function addChild(
  transaction: Pick<Database, "workerSession">,
  parent: WorkerSession,
  status: WorkerStatus = "QUEUED",
): Promise<WorkerSession> {
  count += 1;
  const child = await transaction.workerSession.create({
    data: {
      status,
      task: "true",
      agent: "shell",
      branch: `child-${String(count)}`,
      branchGiven: true,
      stream: { create: { key: `child:${String(count)}` } },
      parentSession: { connect: { id: parent.parentSessionId } },
      parentWorker: { connect: { id: parent.id } },
      ancestorIds: [...parent.ancestorIds, parent.id],
      repositoryOwner: "acme",
      repositoryName: "app",
      ...(status === "QUEUED" ? {} : { finishedAt: isFinal(status) ? new Date() : null }),
    },
  });
  return child;
}

const isFinal = (status: WorkerStatus) => status === "SUCCEEDED" || status === "FAILED";

/** What a dispatch does of it; `meanwhile` runs when the parent's row is locked. */
function dispatchChild(
  parent: WorkerSession,
  {
    maxDepth = 3,
    maxChildren = 20,
    viewer = operator,
    meanwhile = () => Promise.resolve(),
  }: {
    maxDepth?: number;
    maxChildren?: number;
    viewer?: Viewer;
    meanwhile?: () => Promise<unknown>;
  } = {},
): Promise<WorkerSession> {
  return connection.prisma.$transaction(async (transaction) => {
    await assertMayHaveChild(
      transaction,
      { maxDepth, maxChildren },
      {
        parentWorkerId: parent.id,
        ancestorIds: [...parent.ancestorIds, parent.id],
        parentName: `worker-${String(parent.number)}`,
        viewer,
      },
    );
    await meanwhile();
    return addChild(transaction, parent);
  });
}

const read = (id: string) => connection.prisma.workerSession.findUniqueOrThrow({ where: { id } });

/** Resolves when so many statements wait for a lock. */
async function untilWaiting(wanted: number): Promise<void> {
  for (;;) {
    const { rows } = await connection.pool.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    if ((rows[0]?.count ?? 0) >= wanted) return;
  }
}

describe("the limits", () => {
  test("a worker has as many unended children as are allowed, and no more: ended ones don't count", async () => {
    const parent = await first();
    await addChild(connection.prisma, parent, "SUCCEEDED");
    await dispatchChild(parent, { maxChildren: 2 });
    await dispatchChild(parent, { maxChildren: 2 });
    await expect(dispatchChild(parent, { maxChildren: 2 })).rejects.toMatchObject({
      code: "LIMIT_EXCEEDED",
      message: expect.stringMatching(/has 2 children .* 2 at most \(FACTORY_MAX_CHILDREN\): wait/),
    });
    await expect(dispatchChild(await first(), { maxChildren: 0 })).rejects.toMatchObject({
      code: "LIMIT_EXCEEDED",
    });
  });

  test("of many that come for the last place at once, one gets it", async () => {
    const parent = await first();
    await dispatchChild(parent, { maxChildren: 2 });
    const results = await Promise.allSettled(
      Array.from({ length: 8 }, () => dispatchChild(parent, { maxChildren: 2 })),
    );
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(
      await connection.prisma.workerSession.count({ where: { parentWorkerId: parent.id } }),
    ).toBe(2);
  });

  test("so many workers may stand above one, and no more", async () => {
    const child = await dispatchChild(await first(), { maxDepth: 2 });
    const grandchild = await dispatchChild(child, { maxDepth: 2 });
    await expect(dispatchChild(grandchild, { maxDepth: 2 })).rejects.toMatchObject({
      code: "LIMIT_EXCEEDED",
      message: expect.stringMatching(/has 2 workers above it.* 2 at most \(FACTORY_MAX_DEPTH\)/),
    });
    await expect(dispatchChild(await first(), { maxDepth: 0 })).rejects.toMatchObject({
      code: "LIMIT_EXCEEDED",
    });
  });
});

describe("a worker that is to end", () => {
  test.each(["SUCCEEDED", "CANCELLED"] as const)(
    "dispatches nothing once it is %s",
    async (status) => {
      const parent = await first(status);
      await expect(dispatchChild(parent, { viewer: asWorker(parent) })).rejects.toMatchObject({
        code: "WORKER_NOT_RUNNING",
      });
      // Its operator may, for a retry of what it dispatched.
      await dispatchChild(parent);
    },
  );

  test("dispatches nothing once it is cancelled, though it runs still", async () => {
    const parent = await first();
    await cancelWorker({ ...connection, queue }, parent.id, undefined);
    expect((await read(parent.id)).status).toBe("RUNNING");
    await expect(dispatchChild(parent, { viewer: asWorker(parent) })).rejects.toMatchObject({
      code: "WORKER_NOT_RUNNING",
      message: expect.stringContaining("was cancelled"),
    });
  });
});

describe("cancelling a family", () => {
  test("cancels all that has not ended, however deep, and leaves what has", async () => {
    const parent = await first();
    const running = await addChild(connection.prisma, parent, "PREPARING");
    const ended = await addChild(connection.prisma, parent, "SUCCEEDED");
    const below = await addChild(connection.prisma, ended);
    const deep = await addChild(connection.prisma, running);
    const stranger = await addChild(connection.prisma, await first());
    await cancelFamily({ ...connection, queue }, parent.id, "enough");
    expect((await read(parent.id)).cancelReason).toBe("enough");
    const with_ = `with worker-${String(parent.number)}: enough`;
    expect(await read(running.id)).toMatchObject({ status: "PREPARING", cancelReason: with_ });
    expect(await read(ended.id)).toMatchObject({ status: "SUCCEEDED", cancelRequestedAt: null });
    for (const { id } of [below, deep]) {
      expect(await read(id)).toMatchObject({
        status: "CANCELLED",
        statusReason: `cancelled: ${with_}`,
      });
    }
    expect(await read(stranger.id)).toMatchObject({ status: "QUEUED" });
    // Each is told of once, in the stream of the parent that they share.
    const told = await connection.prisma.event.findMany({
      where: { stream: { parentSession: { id: parent.parentSessionId } } },
      orderBy: { sequence: "asc" },
    });
    expect(told.map(({ sequence }) => sequence)).toEqual([1, 2]);
    // Again: nothing changes.
    await cancelFamily({ ...connection, queue }, parent.id, "again");
    expect((await read(parent.id)).cancelReason).toBe("enough");
  });

  test("of one that has ended reaches those that it left", async () => {
    const parent = await first("SUCCEEDED");
    await connection.prisma.workerSession.update({
      where: { id: parent.id },
      data: { finishedAt: new Date() },
    });
    const child = await addChild(connection.prisma, parent);
    const session = await cancelFamily({ ...connection, queue }, parent.id, undefined);
    expect(session.status).toBe("SUCCEEDED");
    expect((await read(child.id)).status).toBe("CANCELLED");
  });

  test("finds the child that one of them was about to dispatch", async () => {
    const parent = await first();
    const child = await addChild(connection.prisma, parent, "PREPARING");
    const gate = Promise.withResolvers<undefined>();
    const locked = Promise.withResolvers<undefined>();
    const dispatched = dispatchChild(child, {
      viewer: asWorker(child),
      meanwhile: () => {
        locked.resolve(undefined);
        return gate.promise;
      },
    });
    await locked.promise;
    const cancelled = cancelFamily({ ...connection, queue }, parent.id, undefined);
    // It holds the parent by now, and waits for the child.
    await untilWaiting(1);
    gate.resolve(undefined);
    const late = await dispatched;
    await cancelled;
    expect((await read(late.id)).status).toBe("CANCELLED");
    await expect(dispatchChild(child, { viewer: asWorker(child) })).rejects.toMatchObject({
      code: "WORKER_NOT_RUNNING",
    });
  });
});
