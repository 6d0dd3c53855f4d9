// Making worktrees: what they start from, and what is refused.
import { readFile, writeFile } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { takeInventory } from "../support/inventory.ts";
import {
  clone,
  cloned,
  codeOf,
  createWorktree,
  deleteWorktree,
  faultOf,
  inspectWorktree,
  readRepository,
  readWorktree,
  sendCreateWorktree,
  sendDeleteWorktree,
  untilRepository,
  type Input,
} from "../support/repositories.ts";
import { commitAll, runGit } from "../support/worktree-git.ts";

let git: GitServer;
let server: FactoryServer;

beforeAll(async () => {
  git = await startGitServer();
  server = await startFactory({ git });
});

afterAll(async () => {
  await server.dispose();
  await git.stop();
});

/** A refusal that comes after the fetch, and leaves nothing else behind. */
async function refusal(input: Input) {
  const before = await takeInventory(server, { fetched: true });
  const fault = faultOf(await sendCreateWorktree(server, input));
  expect(await takeInventory(server, { fetched: true })).toEqual(before);
  return fault;
}

describe("a worktree for a new branch", () => {
  test("is checked out from the tip of the default branch, on a local branch without upstream", async () => {
    const name = { owner: "acme", name: "plain" };
    const { headCommit } = await cloned(server, git, name, { files: { "a/b.txt": "text\n" } });
    const { created, worktree } = await createWorktree(server, { ...name, branch: "feat/login" });
    expect(created).toBe(true);
    expect(worktree).toMatchObject({
      branch: "feat/login",
      status: "READY",
      failureCode: null,
      error: null,
      base: "main",
      baseCommit: headCommit,
    });
    expect(isAbsolute(worktree.path)).toBe(true);
    expect(worktree.path.startsWith(server.home)).toBe(true);
    expect(await readFile(join(worktree.path, "a/b.txt"), "utf8")).toBe("text\n");
    expect(await runGit(worktree.path, "symbolic-ref", "HEAD")).toBe("refs/heads/feat/login");
    expect(await runGit(worktree.path, "rev-parse", "HEAD")).toBe(headCommit);
    expect(await runGit(worktree.path, "status", "--porcelain")).toBe("");
    await expect(runGit(worktree.path, "rev-parse", "@{upstream}")).rejects.toThrow("no upstream");
    expect(await readWorktree(server, { ...name, branch: "feat/login" })).toEqual(worktree);
  });

  test("starts from a base that moved on the remote a moment ago", async () => {
    const name = { owner: "acme", name: "moment" };
    await cloned(server, git, name);
    const pushed = await git.pushCommit("acme", "moment", "main", { "fresh.txt": "fresh\n" });
    const { worktree } = await createWorktree(server, { ...name, branch: "from-default" });
    expect(worktree.baseCommit).toBe(pushed);
    expect(await readFile(join(worktree.path, "fresh.txt"), "utf8")).toBe("fresh\n");
    expect(await readRepository(server, name)).toMatchObject({ headCommit: pushed });

    const next = await git.pushCommit("acme", "moment", "develop", { "next.txt": "next\n" });
    const developed = await createWorktree(server, { ...name, branch: "b", base: "develop" });
    expect(developed.worktree.baseCommit).toBe(next);
    const again = await git.pushCommit("acme", "moment", "develop", { "again.txt": "again\n" });
    const later = await createWorktree(server, { ...name, branch: "c", base: "develop" });
    expect(later.worktree.baseCommit).toBe(again);
    // What was made before stays where it was.
    expect(await runGit(developed.worktree.path, "rev-parse", "HEAD")).toBe(next);
  });

  test("starts from a branch, a tag, an annotated tag, a commit or its first digits", async () => {
    const name = { owner: "acme", name: "bases" };
    const first = await git.createRepository("acme", "bases");
    const second = await git.pushCommit("acme", "bases", "main", { "two.txt": "2\n" });
    const third = await git.pushCommit("acme", "bases", "develop", { "three.txt": "3\n" });
    await git.pushCommit("acme", "bases", "main", { "four.txt": "4\n" });
    await git.git("acme", "bases", "tag", "v1", first);
    await git.git("acme", "bases", "tag", "-a", "-m", "two", "v2", second);
    await git.git("acme", "bases", "tag", "releases/3", third);
    await createRepositoryRow(name);
    const cases: [base: string, commit: string, ref: string][] = [
      ["develop", third, "refs/remotes/origin/develop"],
      ["origin/develop", third, "refs/remotes/origin/develop"],
      ["v1", first, "refs/tags/v1"],
      ["refs/tags/v1", first, "refs/tags/v1"],
      ["v2", second, "refs/tags/v2"],
      ["releases/3", third, "refs/tags/releases/3"],
      [second, second, second],
      [second.slice(0, 8), second, second],
      [first.toUpperCase(), first, first],
    ];
    const made = await Promise.all(
      cases.map(async ([base], index) => {
        const { worktree } = await createWorktree(server, {
          ...name,
          branch: `from-${String(index)}`,
          base,
        });
        return { worktree, head: await runGit(worktree.path, "rev-parse", "HEAD") };
      }),
    );
    expect(made.map(({ head }) => head)).toEqual(cases.map(([, id]) => id));
    expect(made.map(({ worktree }) => worktree.baseCommit)).toEqual(cases.map(([, id]) => id));
    expect(made.map(({ worktree }) => worktree.base)).toEqual(cases.map(([, , ref]) => ref));
  });

  test("takes a tag that was pushed a moment ago, and one that was moved", async () => {
    const name = { owner: "acme", name: "tags" };
    const { headCommit } = await cloned(server, git, name);
    await git.git("acme", "tags", "tag", "nightly", headCommit ?? "");
    const one = await createWorktree(server, { ...name, branch: "one", base: "nightly" });
    expect(one.worktree.baseCommit).toBe(headCommit);
    const pushed = await git.pushCommit("acme", "tags", "main", { "x.txt": "x\n" });
    await git.git("acme", "tags", "tag", "--force", "nightly", pushed);
    const two = await createWorktree(server, { ...name, branch: "two", base: "nightly" });
    expect(two.worktree.baseCommit).toBe(pushed);
  });

  test("has no commit in a repository without any, and each such branch gets its own", async () => {
    const name = { owner: "acme", name: "empty" };
    await cloned(server, git, name, { empty: true });
    const made = await Promise.all(
      ["main", "other"].map((branch) => createWorktree(server, { ...name, branch })),
    );
    for (const { created, worktree } of made) {
      expect(created).toBe(true);
      expect(worktree).toMatchObject({ status: "READY", base: null, baseCommit: null });
      expect(await runGit(worktree.path, "symbolic-ref", "HEAD")).toBe(
        `refs/heads/${worktree.branch}`,
      );
      await expect(runGit(worktree.path, "rev-parse", "--verify", "HEAD")).rejects.toThrow();
    }
    const path = made[0]?.worktree.path ?? "";
    expect(await inspectWorktree(server, { ...name, branch: "main" })).toMatchObject({
      headCommit: null,
      commitsAhead: 0,
      changedFiles: 0,
      diff: { text: "", filesChanged: 0 },
    });
    await writeFile(join(path, "first.txt"), "first\n");
    const head = await commitAll(path, "First");
    expect(await inspectWorktree(server, { ...name, branch: "main" })).toMatchObject({
      headCommit: head,
      commitsAhead: 1,
      changedFiles: 0,
      diff: { filesChanged: 1, insertions: 1 },
    });
  });
});

/** Clones what the git server has already. */
async function createRepositoryRow(name: { owner: string; name: string }): Promise<void> {
  await clone(server, name);
  await untilRepository(server, name, "SYNCED");
}

describe("a worktree for a branch that exists", () => {
  test("takes up the remote's at its tip", async () => {
    const name = { owner: "acme", name: "remote" };
    await cloned(server, git, name);
    const tip = await git.pushCommit("acme", "remote", "topic", { "topic.txt": "topic\n" });
    const { created, worktree } = await createWorktree(server, { ...name, branch: "topic" });
    expect(created).toBe(true);
    expect(worktree).toMatchObject({ baseCommit: tip, base: "topic" });
    expect(await runGit(worktree.path, "rev-parse", "HEAD")).toBe(tip);
    expect(await runGit(worktree.path, "symbolic-ref", "HEAD")).toBe("refs/heads/topic");
  });

  test("takes up the local one as it stands, not the remote's", async () => {
    const name = { owner: "acme", name: "local" };
    await cloned(server, git, name);
    const { worktree } = await createWorktree(server, { ...name, branch: "topic" });
    const mine = await commitAll(worktree.path, "Mine");
    await git.pushCommit("acme", "local", "topic", { "theirs.txt": "theirs\n" });
    // Its branch stays, with the commit that is nowhere else.
    await deleteWorktree(server, { ...name, branch: "topic", force: true });
    const again = await createWorktree(server, { ...name, branch: "topic" });
    expect(again.created).toBe(true);
    expect(again.worktree).toMatchObject({ base: "topic", baseCommit: mine });
    expect(await runGit(again.worktree.path, "rev-parse", "HEAD")).toBe(mine);
  });

  test("that has a worktree returns it with created: false, as it is", async () => {
    const name = { owner: "acme", name: "same" };
    await cloned(server, git, name);
    const first = await createWorktree(server, { ...name, branch: "topic" });
    await writeFile(join(first.worktree.path, "work.txt"), "work\n");
    const { worktreesLastSequence } = (await readRepository(server, name)) ?? {};
    const second = await createWorktree(server, { owner: "Acme", name: "SAME", branch: "topic" });
    expect(second).toEqual({ created: false, worktree: first.worktree });
    expect(await readFile(join(first.worktree.path, "work.txt"), "utf8")).toBe("work\n");
    expect(await readRepository(server, name)).toMatchObject({ worktreesLastSequence });
  });

  test("takes a base where the branch stands already, and refuses any other", async () => {
    const name = { owner: "acme", name: "based" };
    const { headCommit } = await cloned(server, git, name);
    const tip = await git.pushCommit("acme", "based", "topic", { "topic.txt": "topic\n" });

    // On the remote alone.
    const remote = await refusal({ ...name, branch: "topic", base: "main" });
    expect(remote.extensions.code).toBe("BRANCH_EXISTS");
    expect(remote.message).toContain("topic");
    // With a worktree.
    const { created } = await createWorktree(server, { ...name, branch: "topic", base: tip });
    expect(created).toBe(true);
    const here = await refusal({ ...name, branch: "topic", base: "main" });
    expect(here.extensions.code).toBe("BRANCH_EXISTS");
    const same = await createWorktree(server, { ...name, branch: "topic", base: "topic" });
    expect(same.created).toBe(false);
    // A local branch without one.
    await deleteWorktree(server, { ...name, branch: "topic" });
    const local = await refusal({ ...name, branch: "topic", base: headCommit });
    expect(local.extensions.code).toBe("BRANCH_EXISTS");
    const again = await createWorktree(server, {
      ...name,
      branch: "topic",
      base: tip.slice(0, 10),
    });
    expect(again.created).toBe(true);
  });

  test("in another worktree's own repository alone is that one's affair", async () => {
    const name = { owner: "acme", name: "outside" };
    await cloned(server, git, name);
    const { worktree } = await createWorktree(server, { ...name, branch: "topic" });
    const outside = join(server.home, "outside");
    await runGit(worktree.path, "worktree", "add", "--quiet", "-b", "taken", outside);
    expect((await createWorktree(server, { ...name, branch: "taken" })).created).toBe(true);
  });
});

describe("createWorktree refuses", () => {
  test("a base that is nowhere", async () => {
    const name = { owner: "acme", name: "nobase" };
    const { headCommit } = await cloned(server, git, name);
    // The id of the file README.md, which is no commit.
    const blob = await git.git("acme", "nobase", "rev-parse", "main:README.md");
    for (const base of [
      "nowhere",
      "refs/tags/v9",
      "f".repeat(40),
      "abcdef0",
      "origin/nowhere",
      blob,
    ]) {
      const fault = await refusal({ ...name, branch: "topic", base });
      expect(fault.extensions.code).toBe("BASE_NOT_FOUND");
      expect(fault.message).toContain(base);
    }
    expect((await createWorktree(server, { ...name, branch: "topic" })).worktree.baseCommit).toBe(
      headCommit,
    );
  });

  test("to begin at a branch of the remote that names a tree", async () => {
    const name = { owner: "acme", name: "tree" };
    await cloned(server, git, name);
    const tree = await git.git("acme", "tree", "rev-parse", "main^{tree}");
    const repository = join(git.folder, "acme", "tree.git");
    // As git itself would not write it.
    await writeFile(join(repository, "refs/heads/odd"), `${tree}\n`);
    for (const input of [{ branch: "topic", base: "odd" }, { branch: "odd" }]) {
      const fault = faultOf(await sendCreateWorktree(server, { ...name, ...input }));
      expect(fault.extensions.code).toBe("BASE_NOT_FOUND");
      expect(fault.message).toContain("is no commit");
    }
    expect((await createWorktree(server, { ...name, branch: "topic" })).created).toBe(true);
  });

  test("a branch that git can't hold beside another, whether that is local, remote or a worktree", async () => {
    const name = { owner: "acme", name: "conflicts" };
    await cloned(server, git, name);
    await git.pushCommit("acme", "conflicts", "remote/one", { "r.txt": "r\n" });
    await createWorktree(server, { ...name, branch: "feat" });
    await createWorktree(server, { ...name, branch: "deep/er/still" });
    for (const branch of [
      "feat/x",
      "feat/x/y",
      "Feat",
      "FEAT/x",
      "deep",
      "deep/er",
      "Deep/other",
      "deep/ER/still",
      "remote",
      "remote/one/two",
      "Remote/two",
      "MAIN",
      "main/x",
    ]) {
      const fault = await refusal({ ...name, branch });
      expect({ branch, code: fault.extensions.code }).toEqual({ branch, code: "BRANCH_CONFLICT" });
      expect(fault.message).toContain(branch);
    }
    // Beside a local branch whose worktree is gone, too.
    await deleteWorktree(server, { ...name, branch: "feat" });
    expect((await refusal({ ...name, branch: "feat/x" })).extensions.code).toBe("BRANCH_CONFLICT");
    for (const branch of ["deep/er/other", "remote/two", "feature"]) {
      expect((await createWorktree(server, { ...name, branch })).created).toBe(true);
    }
  });

  test("all but one of branches that can't be together and are asked for at once", async () => {
    const name = { owner: "acme", name: "race" };
    await cloned(server, git, name);
    const rounds = [
      ["feat", "feat/x"],
      ["one/two", "one"],
      ["Case", "case", "CASE"],
      ["Folder/a", "folder/b"],
    ];
    const answers = await Promise.all(
      rounds.map((branches) =>
        Promise.all(branches.map((branch) => sendCreateWorktree(server, { ...name, branch }))),
      ),
    );
    for (const answersOfRound of answers) {
      const made = answersOfRound.filter(({ errors }) => errors === undefined);
      const refused = answersOfRound.filter(({ errors }) => errors !== undefined);
      expect(made).toHaveLength(1);
      expect(refused.map(codeOf)).toEqual(refused.map(() => "BRANCH_CONFLICT"));
    }
    const branches = answers.flat().flatMap(({ data }) => {
      // Refused, its field is null.
      const result = data.createWorktree as typeof data.createWorktree | null;
      return result === null ? [] : [result.worktree.branch];
    });
    // Nothing is left of those that were refused.
    const inventory = await takeInventory(server);
    const heads = inventory.refs
      .filter((line) => line.includes("acme/race.git") && line.includes("refs/heads/"))
      .map((line) => line.split("refs/heads/")[1]);
    expect(heads.sort()).toEqual(branches.sort());
  });

  test("a repository that isn't there, or isn't cloned yet", async () => {
    const name = { owner: "acme", name: "notyet" };
    const before = await takeInventory(server);
    expect(codeOf(await sendCreateWorktree(server, { ...name, branch: "topic" }))).toBe(
      "REPOSITORY_NOT_FOUND",
    );
    expect(await takeInventory(server)).toEqual(before);

    await git.createRepository("acme", "notyet");
    const held = git.hold(/^\/acme\/notyet\.git\//);
    await clone(server, name);
    await held.arrived;
    expect(codeOf(await sendCreateWorktree(server, { ...name, branch: "topic" }))).toBe(
      "REPOSITORY_NOT_READY",
    );
    expect(await readWorktree(server, { ...name, branch: "topic" })).toBeNull();
    held.release();
    await untilRepository(server, name, "SYNCED");
    expect((await createWorktree(server, { ...name, branch: "topic" })).created).toBe(true);
  });
});

describe("at the same time", () => {
  test("ten calls for one branch make one worktree", async () => {
    const name = { owner: "acme", name: "once" };
    await cloned(server, git, name);
    const results = await Promise.all(
      Array.from({ length: 10 }, () => createWorktree(server, { ...name, branch: "topic" })),
    );
    expect(results.filter(({ created }) => created)).toHaveLength(1);
    expect(new Set(results.map(({ worktree }) => worktree.id)).size).toBe(1);
    expect(new Set(results.map(({ worktree }) => worktree.status))).toEqual(new Set(["READY"]));
  });

  test("creating and deleting one branch again and again ends in order", async () => {
    const name = { owner: "acme", name: "churn" };
    await cloned(server, git, name);
    await createWorktree(server, { ...name, branch: "topic" });
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        index % 2 === 0
          ? sendDeleteWorktree(server, { ...name, branch: "topic", deleteBranch: true })
          : sendCreateWorktree(server, { ...name, branch: "topic" }),
      ),
    );
    const codes = new Set(answers.filter(({ errors }) => errors !== undefined).map(codeOf));
    codes.delete("WORKTREE_NOT_FOUND");
    expect([...codes]).toEqual([]);
    const { worktree } = await createWorktree(server, { ...name, branch: "topic" });
    expect(await runGit(worktree.path, "status", "--porcelain", "--branch")).toContain("topic");
  });
});
