// A server that is stopped or killed in the middle of a clone or a removal, or before an outcome is recorded.
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { holdChange } from "../support/hold-change.ts";
import { takeInventory } from "../support/inventory.ts";
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
  untilRepository,
} from "../support/repositories.ts";
import { runGit } from "../support/worktree-git.ts";

let git: GitServer;
/** The one that runs now. */
let server: FactoryServer;

beforeAll(async () => {
  git = await startGitServer();
  server = await startFactory({ git });
});

afterAll(async () => {
  await server.dispose();
  await git.stop();
});

/** Lets the server get no further than to the change of that row, and kills it there. */
async function killAt(
  change: { table: "Worktree" | "Repository"; when: string },
  act: () => Promise<unknown>,
): Promise<void> {
  const held = await holdChange(server.databaseUrl, change);
  // Cut off by the kill, whatever it would have answered.
  const acting = act().catch(() => undefined);
  await held.reached();
  await server.kill();
  await acting;
  await held.abandon();
}

describe("stopped while it clones", () => {
  test("a server ends at once, and the next one goes on", async () => {
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

describe("killed while it makes a worktree", () => {
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
