// A database that is away just when the outcome is to be recorded: it is recorded later, or what was asked for
// can be asked for again, without a restart.
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { queryDatabase, takeInventory } from "../support/inventory.ts";
import {
  clone,
  cloned,
  codeOf,
  createWorktree,
  deleteRepository,
  deleteWorktree,
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
import { runGit } from "../support/worktree-git.ts";

let git: GitServer;
let server: FactoryServer;

beforeAll(async () => {
  git = await startGitServer();
  server = await startFactory({ git });
  // What Postgres says while it is shut down (class 57 of its error codes).
  await queryDatabase(
    server,
    `CREATE FUNCTION be_away() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN RAISE EXCEPTION 'terminating connection' USING ERRCODE = '57P01'; END $$`,
  );
  await queryDatabase(
    server,
    `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN RAISE EXCEPTION 'this is refused for good'; END $$`,
  );
});

afterAll(async () => {
  await server.dispose();
  await git.stop();
});

interface Fault {
  readonly on: "UPDATE" | "DELETE";
  readonly when?: string;
  readonly how?: "be_away" | "refuse";
}

/** While `act` runs, that change of the table's rows meets a database that is away, or that refuses it. */
async function whileAway<T>(
  table: "Worktree" | "Repository",
  { on, when = "TRUE", how = "be_away" }: Fault,
  act: () => Promise<T>,
): Promise<T> {
  await queryDatabase(
    server,
    `CREATE TRIGGER fault BEFORE ${on} ON "${table}" FOR EACH ROW WHEN (${when})
     EXECUTE FUNCTION ${how}()`,
  );
  try {
    return await act();
  } finally {
    await queryDatabase(server, `DROP TRIGGER fault ON "${table}"`);
  }
}

describe("the database away at the end of", () => {
  test("a checkout: the next try takes the worktree up", async () => {
    const topic = { owner: "acme", name: "made", branch: "topic" };
    const { headCommit } = await cloned(server, git, topic);
    const answer = await whileAway("Worktree", { on: "UPDATE" }, () =>
      sendCreateWorktree(server, topic),
    );
    expect(codeOf(answer)).toBe("SERVICE_UNAVAILABLE");
    const { worktree } = await createWorktree(server, topic);
    // Branched from main, though the branch was there at the second try.
    expect(worktree).toMatchObject({
      status: "READY",
      base: "main",
      baseCommit: headCommit,
      failureCode: null,
    });
    expect(await runGit(worktree.path, "status", "--porcelain")).toBe("");
  });

  test("a checkout: the worktree can also be removed", async () => {
    const topic = { owner: "acme", name: "unmade", branch: "topic" };
    await cloned(server, git, topic);
    await whileAway("Worktree", { on: "UPDATE" }, () => sendCreateWorktree(server, topic));
    await deleteWorktree(server, { ...topic, deleteBranch: true });
    expect(await readWorktree(server, topic)).toBeNull();
  });

  test("a removal: the next try ends it, or the worktree is made again", async () => {
    const name = { owner: "acme", name: "removed" };
    await cloned(server, git, name);
    for (const branch of ["one", "two"]) {
      const topic = { ...name, branch };
      await createWorktree(server, topic);
      const answer = await whileAway("Worktree", { on: "DELETE" }, () =>
        sendDeleteWorktree(server, topic),
      );
      expect(codeOf(answer)).toBe("SERVICE_UNAVAILABLE");
    }
    await deleteWorktree(server, { ...name, branch: "one" });
    expect(await readWorktree(server, { ...name, branch: "one" })).toBeNull();
    const { worktree } = await createWorktree(server, { ...name, branch: "two" });
    expect(worktree.status).toBe("READY");
    expect(await runGit(worktree.path, "status", "--porcelain")).toBe("");
  });

  test("a fetch: the next one succeeds", async () => {
    const name = { owner: "acme", name: "fetched" };
    await cloned(server, git, name);
    const pushed = await git.pushCommit("acme", "fetched", "main", { "x.txt": "x\n" });
    const answer = await whileAway(
      "Repository",
      { on: "UPDATE", when: "OLD.status = 'SYNCING'" },
      () => sendSync(server, name),
    );
    expect(codeOf(answer)).toBe("SERVICE_UNAVAILABLE");
    const { repository, updated } = await sync(server, name);
    expect(updated).toBe(true);
    expect(repository).toMatchObject({ status: "SYNCED", headCommit: pushed });
  });

  test("a clone: it is recorded when the database is back", async () => {
    const name = { owner: "acme", name: "copied" };
    const head = await git.createRepository("acme", "copied");
    await whileAway("Repository", { on: "UPDATE" }, async () => {
      await clone(server, name);
      // What can't be recorded yet is logged.
      while (!server.log.some((line) => line.includes("outcome waits"))) {
        await readRepository(server, name);
      }
    });
    expect(await untilRepository(server, name, "SYNCED")).toMatchObject({ headCommit: head });
    expect((await clone(server, name)).created).toBe(false);
  });

  test("a repository's removal: the next try ends it", async () => {
    const name = { owner: "acme", name: "dropped" };
    await cloned(server, git, name);
    const answer = await whileAway("Repository", { on: "DELETE" }, () =>
      sendDeleteRepository(server, name),
    );
    expect(codeOf(answer)).toBe("SERVICE_UNAVAILABLE");
    await deleteRepository(server, name);
    expect(await readRepository(server, name)).toBeNull();
    const { files } = await takeInventory(server);
    expect(files.filter((file) => file.includes("acme/dropped"))).toEqual([]);
  });
});

describe("what can't be recorded for good", () => {
  const name = { owner: "acme", name: "refused" };

  test("of a clone leaves it FAILED, and the clone can be tried again", async () => {
    const head = await git.createRepository("acme", "refused");
    const failed = await whileAway(
      "Repository",
      { on: "UPDATE", when: "NEW.status = 'SYNCED'", how: "refuse" },
      async () => {
        await clone(server, name);
        return untilRepository(server, name, "FAILED");
      },
    );
    expect(failed).toMatchObject({ status: "FAILED", failureCode: "INTERNAL" });
    await clone(server, name);
    const synced = await untilRepository(server, name, "SYNCED", failed.lastSequence);
    expect(synced.headCommit).toBe(head);
  });

  test("of a fetch leaves it FAILED, and the next one succeeds", async () => {
    const answer = await whileAway(
      "Repository",
      { on: "UPDATE", when: "NEW.status = 'SYNCED'", how: "refuse" },
      () => sendSync(server, name),
    );
    expect(codeOf(answer)).toBe("INTERNAL");
    expect(await readRepository(server, name)).toMatchObject({ status: "FAILED" });
    expect((await sync(server, name)).repository.status).toBe("SYNCED");
  });

  test("of a checkout or its removal leaves the worktree FAILED", async () => {
    const topic = { ...name, branch: "topic" };
    const made = await whileAway(
      "Worktree",
      { on: "UPDATE", when: "NEW.status = 'READY'", how: "refuse" },
      () => sendCreateWorktree(server, topic),
    );
    expect(codeOf(made)).toBe("INTERNAL");
    expect(await readWorktree(server, topic)).toMatchObject({ status: "FAILED" });
    await createWorktree(server, topic);
    const removed = await whileAway("Worktree", { on: "DELETE", how: "refuse" }, () =>
      sendDeleteWorktree(server, topic),
    );
    expect(codeOf(removed)).toBe("INTERNAL");
    expect(await readWorktree(server, topic)).toMatchObject({ status: "FAILED" });
    await deleteWorktree(server, topic);
  });

  test("of a removal leaves it FAILED, and it can be deleted or used again", async () => {
    const answer = await whileAway("Repository", { on: "DELETE", how: "refuse" }, () =>
      sendDeleteRepository(server, name),
    );
    expect(codeOf(answer)).toBe("INTERNAL");
    expect(await readRepository(server, name)).toMatchObject({
      status: "FAILED",
      failureCode: "INTERNAL",
    });
    expect((await sync(server, name)).repository.status).toBe("SYNCED");
    await deleteRepository(server, name);
    expect(await readRepository(server, name)).toBeNull();
  });
});

describe("a worktree that an outage left in the middle", () => {
  test("is FAILED once the database is back, without anybody's asking", async () => {
    const topic = { owner: "acme", name: "left", branch: "topic" };
    await cloned(server, git, topic);
    const changes = followWorktrees(server, topic, 0);
    await whileAway("Worktree", { on: "UPDATE" }, () => sendCreateWorktree(server, topic));
    const all = await changes.until((each) =>
      each.some(({ worktreeChanged }) => worktreeChanged.status === "FAILED"),
    );
    changes.end();
    expect(all.map(({ worktreeChanged }) => worktreeChanged.status)).toEqual([
      "CREATING",
      "FAILED",
    ]);
  });

  test("of a fetch and a removal of the repository too", async () => {
    const name = { owner: "acme", name: "left-too" };
    const { lastSequence } = await cloned(server, git, name);
    const synced = await whileAway(
      "Repository",
      { on: "UPDATE", when: "OLD.status = 'SYNCING'" },
      () => sendSync(server, name),
    );
    expect(codeOf(synced)).toBe("SERVICE_UNAVAILABLE");
    const failed = await untilRepository(server, name, "FAILED", lastSequence);
    expect(failed).toMatchObject({ status: "FAILED", failureCode: "SERVICE_UNAVAILABLE" });
    await whileAway("Repository", { on: "DELETE" }, () => sendDeleteRepository(server, name));
    const left = await untilRepository(server, name, "FAILED", failed.lastSequence);
    expect(left.status).toBe("FAILED");
    await deleteRepository(server, name);
  });
});
