// A server that is killed in the middle of a clone, a fetch, a checkout or a removal, and started again.
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import pg from "pg";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { queryDatabase, takeInventory } from "../support/inventory.ts";
import {
  clone,
  cloned,
  createWorktree,
  deleteWorktree,
  followRepository,
  followWorktrees,
  readRepository,
  readWorktree,
  sendCreateWorktree,
  sendDeleteRepository,
  sendDeleteWorktree,
  sendSync,
  sync,
  untilRepository,
} from "../support/repositories.ts";
import { eventually } from "../support/workers.ts";
import { runGit } from "../support/worktree-git.ts";

let git: GitServer;
/** The one that runs now. */
let server: FactoryServer;

beforeAll(async () => {
  git = await startGitServer();
  server = await startFactory({
    env: { FACTORY_REMOTE_TEMPLATE: `http://${git.host}/{owner}/{name}.git` },
  });
  await queryDatabase(
    server,
    `CREATE FUNCTION wait_for_test() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN PERFORM pg_advisory_xact_lock(${String(lockNumber)}); RETURN coalesce(NEW, OLD); END $$`,
  );
});

afterAll(async () => {
  await server.dispose();
  await git.stop();
});

const lockNumber = 7_204_242;

/** Lets the server get no further than to the change of that row, and kills it there. */
async function killAt(
  { table, when }: { table: "Worktree" | "Repository"; when: string },
  act: () => Promise<unknown>,
): Promise<void> {
  const holder = new pg.Client({ connectionString: server.databaseUrl });
  await holder.connect();
  try {
    await holder.query(`SELECT pg_advisory_lock(${String(lockNumber)})`);
    await holder.query(
      `CREATE TRIGGER wait_for_test BEFORE ${when} EXECUTE FUNCTION wait_for_test()`,
    );
    // Cut off by the kill, whatever it would have answered.
    const acting = act().catch(() => undefined);
    await eventually(async () => {
      const { rowCount } = await holder.query(
        `SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = $1`,
        [lockNumber],
      );
      return rowCount === 1;
    });
    await server.kill();
    await acting;
    // What waits for the lock doesn't see that its client is gone, and would hold its row.
    await holder.query(
      `SELECT pg_terminate_backend(pid) FROM pg_locks
       WHERE locktype = 'advisory' AND NOT granted AND objid = $1`,
      [lockNumber],
    );
    await holder.query(`DROP TRIGGER wait_for_test ON "${table}"`);
  } finally {
    await holder.end();
  }
}

/** Folders of clones that were begun. */
async function leftovers(): Promise<string[]> {
  const folders = await readdir(join(server.home, "repositories"), { recursive: true });
  return folders.filter((path) => path.includes(".cloning-") && path.split("/").length === 3);
}

describe("killed while it clones", () => {
  test("a server takes the clone up again, and leaves nothing half there", async () => {
    const name = { owner: "acme", name: "clone" };
    const head = await git.createRepository("acme", "clone");
    const held = git.hold(/^\/acme\/clone\.git\//);
    await clone(server, name);
    await held.arrived;
    expect(await leftovers()).toHaveLength(1);
    await server.kill();
    const again = git.requestCount(/^\/acme\/clone\.git\//);
    server = await server.restart();
    expect(await readRepository(server, name)).toMatchObject({ status: "CLONING" });
    await eventually(() => git.requestCount(/^\/acme\/clone\.git\//) > again);
    held.release();
    const after = await untilRepository(server, name, "SYNCED");
    expect(after).toMatchObject({ defaultBranch: "main", headCommit: head, failureCode: null });
    expect(await leftovers()).toEqual([]);
    expect((await createWorktree(server, { ...name, branch: "topic" })).created).toBe(true);
  });

  test("one that is told to stop ends at once, and the next one goes on", async () => {
    const name = { owner: "acme", name: "stopped" };
    const head = await git.createRepository("acme", "stopped");
    const held = git.hold(/^\/acme\/stopped\.git\//);
    await clone(server, name);
    await held.arrived;
    const started = performance.now();
    expect(await server.terminate()).toBe(0);
    expect(performance.now() - started).toBeLessThan(10_000);
    held.release();
    server = await server.restart();
    expect(await untilRepository(server, name, "SYNCED")).toMatchObject({ headCommit: head });
    // No failure was told of in between.
    const followed = followRepository(server, name, 0);
    const messages = await followed.until((all) =>
      all.some(({ repositoryChanged }) => repositoryChanged.status === "SYNCED"),
    );
    followed.end();
    const statuses = new Set(messages.map(({ repositoryChanged }) => repositoryChanged.status));
    expect([...statuses]).toEqual(["CLONING", "SYNCED"]);
  });
});

describe("killed while it fetches", () => {
  test("a server says so, and the repository can be used and synced as before", async () => {
    const name = { owner: "acme", name: "fetch" };
    const { headCommit } = await cloned(server, git, name);
    const held = git.hold(/^\/acme\/fetch\.git\//);
    const syncing = sendSync(server, name).catch(() => undefined);
    await held.arrived;
    expect(await readRepository(server, name)).toMatchObject({ status: "SYNCING" });
    await server.kill();
    await syncing;
    held.release();
    server = await server.restart();
    const found = await readRepository(server, name);
    expect(found).toMatchObject({
      status: "FAILED",
      failureCode: "SERVICE_UNAVAILABLE",
      headCommit,
    });
    expect(found?.error).toContain("sync again");
    const pushed = await git.pushCommit("acme", "fetch", "main", { "x.txt": "x\n" });
    const { repository, updated } = await sync(server, name);
    expect(updated).toBe(true);
    expect(repository).toMatchObject({ status: "SYNCED", failureCode: null, headCommit: pushed });
  });
});

describe("killed while it makes a worktree", () => {
  test("in the middle of the checkout, the next try succeeds", async () => {
    const name = { owner: "acme", name: "checkout" };
    const files = Object.fromEntries(
      Array.from({ length: 3_000 }, (_, index) => [`f/${String(index)}.txt`, `${String(index)}\n`]),
    );
    await cloned(server, git, name, { files });
    const live = followWorktrees(server, name, 0);
    const creating = sendCreateWorktree(server, { ...name, branch: "topic" }).catch(
      () => undefined,
    );
    // Some milliseconds before git begins; the checkout takes some hundred.
    await live.first(1);
    await server.kill();
    await creating;
    server = await server.restart();
    const found = await readWorktree(server, { ...name, branch: "topic" });
    expect(found).toMatchObject({ status: "FAILED", failureCode: "SERVICE_UNAVAILABLE" });
    const { created, worktree } = await createWorktree(server, { ...name, branch: "topic" });
    expect(created).toBe(true);
    expect(worktree).toMatchObject({
      id: found?.id,
      status: "READY",
      failureCode: null,
      error: null,
    });
    expect(await runGit(worktree.path, "status", "--porcelain")).toBe("");
    expect(await readdir(join(worktree.path, "f"))).toHaveLength(3_000);
    const { files: there } = await takeInventory(server);
    expect(there.filter((path) => path.startsWith("trash/") || path.includes("/adding/"))).toEqual(
      [],
    );
  });

  test("after the checkout and before it is recorded, the next try takes it up", async () => {
    const name = { owner: "acme", name: "recorded" };
    const { headCommit } = await cloned(server, git, name);
    await killAt(
      {
        table: "Worktree",
        when: `UPDATE ON "Worktree" FOR EACH ROW WHEN (NEW.status = 'READY')`,
      },
      () => sendCreateWorktree(server, { ...name, branch: "topic" }),
    );
    server = await server.restart();
    expect(await readWorktree(server, { ...name, branch: "topic" })).toMatchObject({
      status: "FAILED",
      failureCode: "SERVICE_UNAVAILABLE",
    });
    const { worktree } = await createWorktree(server, { ...name, branch: "topic" });
    expect(worktree).toMatchObject({ status: "READY", baseCommit: headCommit });
    const followed = followWorktrees(server, name, 0);
    const messages = await followed.first(4);
    expect(messages.map(({ worktreeChanged }) => worktreeChanged.status)).toEqual([
      "CREATING",
      "FAILED",
      "CREATING",
      "READY",
    ]);
    followed.end();
  });
});

describe("killed while it removes", () => {
  test("a worktree, it can be removed again or made again", async () => {
    const name = { owner: "acme", name: "removal" };
    await cloned(server, git, name);
    for (const next of ["remove", "make"] as const) {
      const topic = { ...name, branch: `${next}-it` };
      await createWorktree(server, topic);
      await killAt({ table: "Worktree", when: `DELETE ON "Worktree" FOR EACH ROW` }, () =>
        sendDeleteWorktree(server, { ...topic, deleteBranch: true }),
      );
      server = await server.restart();
      expect(await readWorktree(server, topic)).toMatchObject({
        status: "FAILED",
        failureCode: "SERVICE_UNAVAILABLE",
      });
      if (next === "remove") {
        await deleteWorktree(server, topic);
        expect(await readWorktree(server, topic)).toBeNull();
      } else {
        const { worktree } = await createWorktree(server, topic);
        expect(worktree.status).toBe("READY");
        expect(await runGit(worktree.path, "status", "--porcelain")).toBe("");
      }
    }
  });

  test("a repository, the next server goes on with it", async () => {
    const name = { owner: "acme", name: "going" };
    await cloned(server, git, name);
    await createWorktree(server, { ...name, branch: "topic" });
    await killAt({ table: "Repository", when: `DELETE ON "Repository" FOR EACH ROW` }, () =>
      sendDeleteRepository(server, { ...name, force: true }),
    );
    server = await server.restart();
    expect(await readRepository(server, name)).toBeNull();
    const { files } = await takeInventory(server);
    expect(files.filter((path) => path.includes("acme/going"))).toEqual([]);
    const { created } = await clone(server, name);
    expect(created).toBe(true);
    await untilRepository(server, name, "SYNCED");
  });
});
