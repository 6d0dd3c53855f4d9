// The disk's budget, and clones that are repacked.
import { existsSync } from "node:fs";
import { mkdir, readdir, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { endSchedules, runMaintenance } from "../support/maintenance.ts";
import {
  cloned,
  createWorktree,
  deleteRepository,
  readWorktree,
  sync,
} from "../support/repositories.ts";
import { commitAll, runGit } from "../support/worktree-git.ts";
import { cancel, createGate, dispatch, untilEnded, untilPrinted } from "../support/workers.ts";

let git: GitServer;
let server: FactoryServer;
/** One for each test. */
let repository: { owner: string; name: string };
let tests = 0;
/** What one worktree holds, ignored by git: its size is ours to choose. */
const ballast = 2 * 1024 * 1024;

beforeAll(async () => {
  git = await startGitServer();
  server = await startFactory({ git });
  await endSchedules(server);
});

afterAll(async () => {
  await server.dispose();
  await git.stop();
});

async function restart(budget: string): Promise<void> {
  await server.terminate();
  server = await server.restart({ FACTORY_DISK_BUDGET: budget });
  await endSchedules(server);
}

describe("the disk's budget", () => {
  beforeEach(async () => {
    const name = `app-${String((tests += 1))}`;
    repository = { owner: "acme", name };
    await cloned(server, git, repository, { files: { ".gitignore": "ballast\n" } });
  });

  afterEach(async () => {
    await deleteRepository(server, { ...repository, force: true });
  });

  async function fill(branch: string): Promise<string> {
    const { worktree } = await createWorktree(server, { ...repository, branch });
    await writeFile(join(worktree.path, "ballast"), randomBytes(ballast));
    return worktree.path;
  }

  const isThere = async (branch: string) =>
    (await readWorktree(server, { ...repository, branch })) !== null;

  test("that isn't set takes nothing", async () => {
    await fill("one");
    expect(await runMaintenance(server, "DISK_BUDGET")).toEqual([
      "No disk budget is set (FACTORY_DISK_BUDGET): nothing was done.",
    ]);
    expect(await isThere("one")).toBe(true);
  });

  test("that isn't spent takes nothing", async () => {
    await fill("one");
    await restart("1G");
    expect(await runMaintenance(server, "DISK_BUDGET")).toEqual([]);
    expect(await isThere("one")).toBe(true);
    await restart("");
  });

  test("takes what was used longest ago first, and no more than it must", async () => {
    for (const branch of ["one", "two", "three"]) await fill(branch);
    // The first one was made first, but used last.
    const { id } = await dispatch(server, {
      parentSession: "disk",
      repository,
      branch: "one",
      task: "true",
    });
    await untilEnded(server, id);
    await restart(String(2 * ballast + 1024 * 1024));
    const lines = await runMaintenance(server, "DISK_BUDGET");
    expect(lines).toEqual([
      expect.stringMatching(
        /^Clones and worktrees take 6\.\d MiB, more than the budget of 5\.0 MiB/,
      ),
      expect.stringMatching(/^Removed the worktree of two in acme\/app-\d+ \(2\.\d MiB\)/),
    ]);
    expect(await Promise.all(["one", "two", "three"].map(isThere))).toEqual([true, false, true]);
    expect(existsSync(join(server.home, "worktrees", "acme", repository.name, "two"))).toBe(false);
    expect(await runMaintenance(server, "DISK_BUDGET")).toEqual([]);
    await restart("");
  });

  test("never takes work that is nowhere else, or what is in use or asked for, and says so", async () => {
    const paths: Record<string, string> = {};
    for (const branch of ["dirty", "unpushed", "used", "clean", "pushed"]) {
      paths[branch] = await fill(branch);
    }
    await writeFile(join(paths["dirty"]!, "work.txt"), "work\n");
    const commit = await commitAll(paths["unpushed"]!, "Work");
    await commitAll(paths["pushed"]!, "Pushed");
    await runGit(paths["pushed"]!, "push", "--quiet", git.url("acme", repository.name), "pushed");
    await sync(server, repository);
    const gate = await createGate();
    const busy = { parentSession: "busy", repository };
    const { id } = await dispatch(server, {
      ...busy,
      branch: "used",
      task: `echo up; ${gate.wait}`,
    });
    await untilPrinted(server, id, "up");
    await restart("1");
    const lines = await runMaintenance(server, "DISK_BUDGET");
    expect(lines.filter((line) => line.startsWith("Removed"))).toEqual([
      expect.stringContaining("the worktree of clean"),
      expect.stringContaining("the worktree of pushed"),
    ]);
    expect(lines.at(-1)).toMatch(
      /^The budget can't be met: .* 2 worktrees with work that is not on the remote, 1 worktree in use or asked for, the clones themselves/,
    );
    expect(await runGit(paths["unpushed"]!, "rev-parse", "HEAD")).toBe(commit);
    expect(existsSync(join(paths["dirty"]!, "work.txt"))).toBe(true);
    await gate.open();
    expect((await untilEnded(server, id)).status).toBe("SUCCEEDED");
    await restart("");
  });

  test("leaves a worktree for which a session is queued", async () => {
    await fill("wanted");
    const gate = await createGate();
    const busy = await Promise.all(
      Array.from({ length: 4 }, () =>
        dispatch(server, { parentSession: "queue", repository, task: `echo up; ${gate.wait}` }),
      ),
    );
    await Promise.all(busy.map(({ id }) => untilPrinted(server, id, "up")));
    const queued = await dispatch(server, {
      parentSession: "queue",
      repository,
      branch: "wanted",
      task: "true",
    });
    await restart("1");
    await runMaintenance(server, "DISK_BUDGET");
    expect(await isThere("wanted")).toBe(true);
    await cancel(server, queued.id);
    await runMaintenance(server, "DISK_BUDGET");
    expect(await isThere("wanted")).toBe(false);
    await gate.open(4);
    await Promise.all(busy.map(({ id }) => untilEnded(server, id)));
    await restart("");
  });
});

describe("git maintenance", () => {
  test("repacks a clone in which much has come together, and loses nothing that a worktree holds", async () => {
    const name = { owner: "acme", name: "cluttered" };
    await cloned(server, git, name);
    const { worktree } = await createWorktree(server, { ...name, branch: "topic" });
    expect(await runMaintenance(server, "GIT_MAINTENANCE")).toEqual([]);
    await mkdir(join(worktree.path, "many"));
    const files: string[] = [];
    for (let index = 0; index < 1_100; index += 1) {
      const file = join(worktree.path, "many", `${String(index)}.txt`);
      await writeFile(file, `${String(index)}\n`);
      files.push(file);
    }
    const bare = join(server.home, "repositories", git.host, "acme", "cluttered.git");
    // Nothing leads to them in the clone; a worktree may have looked at them, and refer to them since.
    const ids = (await runGit(bare, "hash-object", "-w", ...files)).split("\n");
    const longAgo = new Date(Date.now() - 30 * 24 * 3_600_000);
    for (const id of ids) {
      await utimes(join(bare, "objects", id.slice(0, 2), id.slice(2)), longAgo, longAgo);
    }
    await runGit(worktree.path, "switch", "--quiet", "--detach");
    const commit = await commitAll(worktree.path, "On no branch");
    await writeFile(join(worktree.path, "staged.txt"), "staged\n");
    await runGit(worktree.path, "add", "staged.txt");
    const loose = async () =>
      (await readdir(join(bare, "objects"))).filter((folder) => /^[0-9a-f]{2}$/.test(folder))
        .length;
    expect(await loose()).toBeGreaterThan(200);

    expect(await runMaintenance(server, "GIT_MAINTENANCE")).toEqual(["Repacked acme/cluttered."]);
    expect(await loose()).toBeLessThan(10);
    expect(await runGit(worktree.path, "rev-parse", "HEAD")).toBe(commit);
    expect(await runGit(worktree.path, "status", "--porcelain")).toBe("A  staged.txt");
    expect(await runGit(worktree.path, "fsck", "--connectivity-only", "--no-dangling")).toBe("");
    await runGit(bare, "cat-file", "-e", ids[0] ?? "");
    // Nobody's git packs by itself in between.
    expect(await runGit(worktree.path, "config", "gc.auto")).toBe("0");
  });
});
