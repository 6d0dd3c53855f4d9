// Who waits, why, and in which order they start.
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import {
  cancel,
  createGate,
  dispatch,
  followParent,
  readWorker,
  untilEnded,
  untilPrinted,
  type Gate,
  type StatusChange,
} from "../support/workers.ts";

const capacity = 2;
let git: GitServer;
let server: FactoryServer;
const repository = { owner: "acme", name: "app" };

beforeAll(async () => {
  git = await startGitServer();
  await git.createRepository("acme", "app");
  server = await startFactory({ git, env: { FACTORY_MAX_WORKERS: String(capacity) } });
});

afterAll(async () => {
  await server.dispose();
  await git.stop();
});

const running = (gate: Gate) => `echo here; ${gate.wait}`;

/** All changes of the parent's workers, once each of them has ended. */
async function changesOf(parentSession: string, workers: number): Promise<StatusChange[]> {
  const followed = followParent(server, parentSession, 0);
  const ends = ["SUCCEEDED", "FAILED", "CANCELLED"];
  const messages = await followed.until(
    (all) => all.filter((one) => ends.includes(one.workerStatusChanged.status)).length === workers,
  );
  return messages.map(({ workerStatusChanged }) => workerStatusChanged);
}

function startOrder(changes: readonly StatusChange[]): string[] {
  return changes.filter(({ status }) => status === "PREPARING").map(({ worker }) => worker.name);
}

describe("capacity", () => {
  test("is never exceeded, the rest waits in the order of its dispatch, and all come to run", async () => {
    const gate = await createGate();
    const parentSession = "capacity";
    const workers = [];
    for (let count = 0; count < 6; count += 1) {
      workers.push(await dispatch(server, { parentSession, repository, task: running(gate) }));
    }
    await Promise.all(workers.slice(0, 2).map(({ id }) => untilPrinted(server, id, "here")));
    const rows = await Promise.all(workers.map(({ id }) => readWorker(server, id)));
    expect(rows.map(({ status, statusReason }) => [status, statusReason])).toEqual([
      ["RUNNING", null],
      ["RUNNING", null],
      ["QUEUED", "1st in the queue; 2 of 2 workers running"],
      ["QUEUED", "2nd in the queue; 2 of 2 workers running"],
      ["QUEUED", "3rd in the queue; 2 of 2 workers running"],
      ["QUEUED", "4th in the queue; 2 of 2 workers running"],
    ]);
    // A position is read, not told: each stream holds one event.
    expect(rows.slice(2).map(({ lastSequence }) => lastSequence)).toEqual([1, 1, 1, 1]);
    await gate.open(6);

    const changes = await changesOf(parentSession, 6);
    expect(startOrder(changes)).toEqual(workers.map(({ name }) => name));
    let active = 0;
    let most = 0;
    for (const { status } of changes) {
      if (status === "PREPARING") active += 1;
      if (status === "SUCCEEDED") active -= 1;
      most = Math.max(most, active);
    }
    expect([active, most]).toEqual([0, capacity]);
    await gate.dispose();
  });

  test("a cancelled session gives its slot to the next one", async () => {
    const gate = await createGate();
    const parentSession = "slots";
    const holders = await Promise.all(
      [1, 2].map(() => dispatch(server, { parentSession, repository, task: running(gate) })),
    );
    await Promise.all(holders.map(({ id }) => untilPrinted(server, id, "here")));
    const next = await dispatch(server, { parentSession, repository, task: "true" });
    expect((await readWorker(server, next.id)).status).toBe("QUEUED");
    await cancel(server, holders[0]!.id);
    expect((await untilEnded(server, next.id)).status).toBe("SUCCEEDED");
    expect((await readWorker(server, holders[1]!.id)).status).toBe("RUNNING");
    await gate.open();
    await untilEnded(server, holders[1]!.id);
    await gate.dispose();
  });

  test("a session that fails before its agent starts gives its slot back", async () => {
    const parentSession = "failing";
    const failing = await Promise.all(
      Array.from({ length: 4 }, () =>
        dispatch(server, { parentSession, repository, base: "no-such-base", task: "true" }),
      ),
    );
    const last = await dispatch(server, { parentSession, repository, task: "true" });
    expect((await untilEnded(server, last.id)).status).toBe("SUCCEEDED");
    const ended = await Promise.all(failing.map(({ id }) => untilEnded(server, id)));
    expect(ended.map(({ failureCode }) => failureCode)).toEqual(Array(4).fill("BASE_NOT_FOUND"));
  });
});

describe("priority", () => {
  test("higher runs first, and equals in the order of their dispatch", async () => {
    const gate = await createGate();
    const holders = await Promise.all(
      [1, 2].map(() =>
        dispatch(server, { parentSession: "holders", repository, task: running(gate) }),
      ),
    );
    await Promise.all(holders.map(({ id }) => untilPrinted(server, id, "here")));
    const parentSession = "priorities";
    const names = new Map<number, string[]>();
    for (const priority of [0, 5, -3, 2, 5, 0]) {
      const { name } = await dispatch(server, {
        parentSession,
        repository,
        priority,
        task: "true",
      });
      names.set(priority, [...(names.get(priority) ?? []), name]);
    }
    const first = await readWorker(server, names.get(5)![0]!);
    const last = await readWorker(server, names.get(-3)![0]!);
    expect([first.statusReason, last.statusReason]).toEqual([
      "1st in the queue; 2 of 2 workers running",
      "6th in the queue; 2 of 2 workers running",
    ]);
    // One slot alone, so that the order of starting is the order of taking.
    await gate.open();
    const changes = await changesOf(parentSession, 6);
    expect(startOrder(changes)).toEqual([5, 2, 0, -3].flatMap((priority) => names.get(priority)!));
    await gate.open();
    await Promise.all(holders.map(({ id }) => untilEnded(server, id)));
    await gate.dispose();
  });
});

describe("an occupied worktree", () => {
  test("keeps further sessions of its branch waiting, in order, and they take no slot", async () => {
    const gate = await createGate();
    const parentSession = "occupied";
    const shared = { parentSession, repository, branch: "shared", task: running(gate) };
    const first = await dispatch(server, shared);
    await untilPrinted(server, first.id, "here");
    const second = await dispatch(server, shared);
    const third = await dispatch(server, shared);
    const reason = `worktree busy with ${first.name}`;
    for (const { id } of [second, third]) {
      expect(await readWorker(server, id)).toMatchObject({
        status: "QUEUED",
        statusReason: reason,
      });
    }
    // The other slot is free for another branch.
    const other = await dispatch(server, { parentSession, repository, task: "true" });
    expect((await untilEnded(server, other.id)).status).toBe("SUCCEEDED");
    expect((await readWorker(server, second.id)).status).toBe("QUEUED");

    await gate.open();
    await untilPrinted(server, second.id, "here");
    expect(await readWorker(server, third.id)).toMatchObject({
      status: "QUEUED",
      statusReason: `worktree busy with ${second.name}`,
    });
    await gate.open(2);
    const changes = await changesOf(parentSession, 4);
    expect(startOrder(changes)).toEqual([first, other, second, third].map(({ name }) => name));
    const ended = await Promise.all([first, second, third].map(({ id }) => readWorker(server, id)));
    expect(new Set(ended.map(({ worktree }) => worktree?.path)).size).toBe(1);
    await gate.dispose();
  });

  test("isn't overtaken by a higher priority, which just comes first among those that wait", async () => {
    const gate = await createGate();
    const parentSession = "overtaking";
    const shared = { parentSession, repository, branch: "overtaking", task: running(gate) };
    const first = await dispatch(server, shared);
    await untilPrinted(server, first.id, "here");
    const low = await dispatch(server, shared);
    const high = await dispatch(server, { ...shared, priority: 9 });
    expect((await readWorker(server, high.id)).statusReason).toBe(
      `worktree busy with ${first.name}`,
    );
    await gate.open(3);
    const changes = await changesOf(parentSession, 3);
    expect(startOrder(changes)).toEqual([first, high, low].map(({ name }) => name));
    await gate.dispose();
  });

  test("waits for the session that is ahead of it for the same branch", async () => {
    const gate = await createGate();
    const parentSession = "ahead";
    const holders = await Promise.all(
      [1, 2].map(() => dispatch(server, { parentSession, repository, task: running(gate) })),
    );
    await Promise.all(holders.map(({ id }) => untilPrinted(server, id, "here")));
    const first = await dispatch(server, {
      parentSession,
      repository,
      branch: "ahead",
      task: "true",
    });
    const second = await dispatch(server, {
      parentSession,
      repository,
      branch: "ahead",
      task: "true",
    });
    expect((await readWorker(server, first.id)).statusReason).toBe(
      "1st in the queue; 2 of 2 workers running",
    );
    expect((await readWorker(server, second.id)).statusReason).toBe(
      `worktree busy with ${first.name}`,
    );
    await gate.open(2);
    const changes = await changesOf(parentSession, 4);
    expect(startOrder(changes).slice(2)).toEqual([first.name, second.name]);
    await gate.dispose();
  });

  test("the same branch of another repository is another worktree", async () => {
    await git.createRepository("acme", "twin");
    const gate = await createGate();
    const [one, two] = await Promise.all(
      ["app", "twin"].map((name) =>
        dispatch(server, {
          parentSession: "twins",
          repository: { owner: "acme", name },
          branch: "twin",
          task: running(gate),
        }),
      ),
    );
    await Promise.all([one!, two!].map(({ id }) => untilPrinted(server, id, "here")));
    await gate.open(2);
    await Promise.all([one!, two!].map(({ id }) => untilEnded(server, id)));
    await gate.dispose();
  });
});
