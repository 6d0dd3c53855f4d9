// Cloning and syncing, and what the repository's stream tells of them.
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { takeInventory } from "../support/inventory.ts";
import {
  clone,
  cloned,
  codeOf,
  createWorktree,
  faultOf,
  followRepository,
  readRepository,
  sendClone,
  sendSync,
  sync,
  untilRepository,
} from "../support/repositories.ts";

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

/** Requests by which git asks the repository for its refs: one for each look at the remote. */
function looks(name: string): number {
  return git.requestCount(new RegExp(`^/acme/${name}\\.git/info/refs`));
}

describe("cloneRepository", () => {
  test("returns at once while the clone goes on, and its end tells branch and commit", async () => {
    const name = { owner: "acme", name: "held" };
    const head = await git.createRepository("acme", "held");
    const held = git.hold(/^\/acme\/held\.git\//);
    const { created, repository } = await clone(server, { ...name, url: git.url("acme", "held") });
    expect(created).toBe(true);
    expect(repository).toMatchObject({
      ...name,
      nameWithOwner: "acme/held",
      url: git.url("acme", "held"),
      status: "CLONING",
      defaultBranch: null,
      headCommit: null,
      lastSyncedAt: null,
      lastSequence: 1,
      worktreesLastSequence: 0,
    });
    await held.arrived;
    expect(await readRepository(server, name)).toMatchObject({ status: "CLONING" });
    held.release();
    const after = await untilRepository(server, name, "SYNCED");
    expect(after).toMatchObject({
      status: "SYNCED",
      failureCode: null,
      error: null,
      defaultBranch: "main",
      headCommit: head,
    });
    expect(Date.parse(after.lastSyncedAt ?? "")).toBeGreaterThan(0);
  });

  test("its stream begins with CLONING, tells the progress, and ends with SYNCED", async () => {
    // Enough objects for git to count them, and a hold so that progress comes from more than one moment.
    const files = Object.fromEntries(
      Array.from({ length: 300 }, (_, index) => [
        `file-${String(index)}.txt`,
        `${String(index)}\n`,
      ]),
    );
    const name = { owner: "acme", name: "progress" };
    await cloned(server, git, name, { files });
    const followed = followRepository(server, name, 0);
    const messages = await followed.until((all) =>
      all.some(({ repositoryChanged }) => repositoryChanged.status === "SYNCED"),
    );
    followed.end();
    const changes = messages.map(({ repositoryChanged }) => repositoryChanged);
    expect(changes.map(({ sequence }) => sequence)).toEqual(changes.map((_, index) => index + 1));
    expect(changes[0]).toMatchObject({ status: "CLONING", progress: 0 });
    expect(changes.at(-1)).toMatchObject({ status: "SYNCED", repository: { status: "SYNCED" } });
    const between = changes.slice(1, -1);
    expect(between.length).toBeGreaterThan(0);
    let last = 0;
    for (const { status, progress, message } of between) {
      expect(status).toBe("CLONING");
      expect(message).not.toBe("");
      expect(progress).toBeGreaterThanOrEqual(last);
      expect(progress).toBeLessThanOrEqual(100);
      last = progress ?? 0;
    }
  });

  test("without a url it clones from the template", async () => {
    await git.createRepository("acme", "template");
    const { repository } = await clone(server, { owner: "acme", name: "template" });
    expect(repository.url).toBe(git.url("acme", "template"));
    await untilRepository(server, repository, "SYNCED");
  });

  test("what is there is returned with created: false, whatever the case, and not cloned again", async () => {
    const first = await cloned(server, git, { owner: "acme", name: "again" });
    const requests = git.requestCount(/^\/acme\/again\.git/);
    for (const input of [
      { owner: "acme", name: "again" },
      { owner: "acme", name: "again", url: git.url("acme", "again") },
      { owner: "ACME", name: "Again" },
      { owner: "Acme", name: "AGAIN", url: git.url("acme", "again") },
    ]) {
      const { created, repository } = await clone(server, input);
      expect(created).toBe(false);
      expect(repository).toEqual(first);
    }
    expect(await readRepository(server, { owner: "ACME", name: "AGAIN" })).toEqual(first);
    expect(git.requestCount(/^\/acme\/again\.git/)).toBe(requests);
  });

  test("twenty clones of one repository at once are one", async () => {
    await git.createRepository("acme", "twenty");
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        clone(server, {
          owner: index % 2 === 0 ? "acme" : "Acme",
          name: "twenty",
          url: git.url("acme", "twenty"),
        }),
      ),
    );
    expect(results.filter(({ created }) => created)).toHaveLength(1);
    expect(new Set(results.map(({ repository }) => repository.id)).size).toBe(1);
    await untilRepository(server, { owner: "acme", name: "twenty" }, "SYNCED");
    expect(looks("twenty")).toBe(looks("template"));
  });

  test("another url is refused with both told apart, and changes nothing", async () => {
    await cloned(server, git, { owner: "acme", name: "conflict" });
    await git.createRepository("acme", "elsewhere");
    const before = await takeInventory(server);
    const requests = git.requestCount();
    for (const input of [
      { owner: "acme", name: "conflict", url: git.url("acme", "elsewhere") },
      { owner: "ACME", name: "Conflict", url: git.url("acme", "elsewhere") },
      { owner: "acme", name: "conflict", url: `http://user:secret@${git.host}/acme/elsewhere.git` },
    ]) {
      const fault = faultOf(await sendClone(server, input));
      expect(fault.extensions.code).toBe("REPOSITORY_CONFLICT");
      expect(fault.message).toContain(git.url("acme", "conflict"));
      expect(fault.message).not.toContain("secret");
    }
    expect(await takeInventory(server)).toEqual(before);
    expect(git.requestCount()).toBe(requests);
  });
});

describe("syncRepository", () => {
  test("tells whether the default branch moved, and from which commit the next worktree comes", async () => {
    const name = { owner: "acme", name: "moves" };
    const first = await cloned(server, git, name);
    const unchanged = await sync(server, name);
    expect(unchanged.updated).toBe(false);
    expect(unchanged.repository).toMatchObject({ status: "SYNCED", headCommit: first.headCommit });
    expect(Date.parse(unchanged.repository.lastSyncedAt ?? "")).toBeGreaterThan(
      Date.parse(first.lastSyncedAt ?? ""),
    );

    const pushed = await git.pushCommit("acme", "moves", "main", { "new.txt": "new\n" });
    const changed = await sync(server, { owner: "ACME", name: "Moves" });
    expect(changed.updated).toBe(true);
    expect(changed.repository.headCommit).toBe(pushed);

    await git.pushCommit("acme", "moves", "other", { "other.txt": "other\n" });
    expect((await sync(server, name)).updated).toBe(false);
  });

  test("each is told on the stream as SYNCING, then SYNCED", async () => {
    const name = { owner: "acme", name: "told" };
    const { lastSequence } = await cloned(server, git, name);
    const live = followRepository(server, name, lastSequence);
    await sync(server, name);
    const changes = (await live.first(2)).map(({ repositoryChanged }) => repositoryChanged);
    expect(changes).toMatchObject([
      { sequence: lastSequence + 1, status: "SYNCING" },
      { sequence: lastSequence + 2, status: "SYNCED" },
    ]);
    live.end();
  });

  test("that brings something tells its progress in between", async () => {
    const name = { owner: "acme", name: "brings" };
    const { lastSequence } = await cloned(server, git, name);
    const files = Object.fromEntries(
      Array.from({ length: 100 }, (_, index) => [
        `file-${String(index)}.txt`,
        `${String(index)}\n`,
      ]),
    );
    await git.pushCommit("acme", "brings", "main", files);
    const live = followRepository(server, name, lastSequence);
    await sync(server, name);
    const messages = await live.until((all) => all.at(-1)?.repositoryChanged.status === "SYNCED");
    const between = messages.slice(1, -1).map(({ repositoryChanged }) => repositoryChanged);
    expect(between.length).toBeGreaterThan(0);
    for (const { status, progress } of between) {
      expect(status).toBe("SYNCING");
      expect(progress).toBeGreaterThanOrEqual(0);
      expect(progress).toBeLessThanOrEqual(100);
    }
    live.end();
  });

  test("a repository can be read while it is fetched", async () => {
    const name = { owner: "acme", name: "reading" };
    await cloned(server, git, name);
    const held = git.hold(/^\/acme\/reading\.git\/info/);
    const syncing = sync(server, name);
    await held.arrived;
    expect(await readRepository(server, name)).toMatchObject({
      status: "SYNCING",
      defaultBranch: "main",
    });
    held.release();
    expect((await syncing).repository.status).toBe("SYNCED");
  });

  test("a call made while a fetch runs gets a later one, which sees a push in between", async () => {
    const name = { owner: "acme", name: "later" };
    const { headCommit } = await cloned(server, git, name);
    // The answer that it waits for tells the refs as they were.
    const before = looks("later");
    const held = git.hold(/^\/acme\/later\.git\/git-upload-pack/, { answers: true });
    const early = sync(server, name);
    await held.arrived;
    const pushed = await git.pushCommit("acme", "later", "main", { "late.txt": "late\n" });
    const late = sync(server, name);
    // Answered behind the call above: the server has it when it has these.
    await Promise.all(Array.from({ length: 5 }, () => readRepository(server, name)));
    held.release();
    expect((await early).repository.headCommit).toBe(headCommit);
    expect((await late).repository.headCommit).toBe(pushed);
    expect(looks("later")).toBeGreaterThanOrEqual(before + 2);
  });

  test("calls made at the same time share a fetch", async () => {
    const name = { owner: "acme", name: "shared" };
    await cloned(server, git, name);
    const before = looks("shared");
    await sync(server, name);
    const looksOfOne = looks("shared") - before;
    expect(looksOfOne).toBe(1);

    const held = git.hold(/^\/acme\/shared\.git\/info/);
    const first = sync(server, name);
    await held.arrived;
    const others = Array.from({ length: 20 }, () => sync(server, name));
    // Answered behind the calls above: the server has them when it has this.
    await Promise.all(Array.from({ length: 5 }, () => readRepository(server, name)));
    held.release();
    await Promise.all([first, ...others]);
    // The first one's, the one that those behind it share, and at most one for who came even later.
    expect(looks("shared") - before - looksOfOne).toBeGreaterThanOrEqual(2);
    expect(looks("shared") - before - looksOfOne).toBeLessThanOrEqual(3);
  });

  test("one that waits with its client gone ends nothing for the others", async () => {
    const name = { owner: "acme", name: "gone" };
    await cloned(server, git, name);
    const held = git.hold(/^\/acme\/gone\.git\/info/);
    const leaving = new AbortController();
    const left = server.fetch("/graphql", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        query: `mutation { syncRepository(input: {owner: "acme", name: "gone"}) { updated } }`,
      }),
      signal: leaving.signal,
    });
    await held.arrived;
    const { lastSequence } = (await readRepository(server, name)) ?? { lastSequence: 0 };
    leaving.abort();
    await expect(left).rejects.toThrow();
    // Nobody waits for that fetch any longer, so it is given up, and that is no failure of the remote.
    const ended = await untilRepository(server, name, "SYNCED", lastSequence);
    expect(ended).toMatchObject({ failureCode: null, error: null });
    held.release();
    expect((await sync(server, name)).repository.status).toBe("SYNCED");
  });

  test("a repository that isn't there is refused", async () => {
    const before = await takeInventory(server);
    expect(codeOf(await sendSync(server, { owner: "acme", name: "nowhere" }))).toBe(
      "REPOSITORY_NOT_FOUND",
    );
    expect(await takeInventory(server)).toEqual(before);
  });

  test("one that is still being cloned is refused, and the clone goes on", async () => {
    await git.createRepository("acme", "early");
    const held = git.hold(/^\/acme\/early\.git\//);
    const { repository } = await clone(server, { owner: "acme", name: "early" });
    await held.arrived;
    const fault = faultOf(await sendSync(server, repository));
    expect(fault.extensions.code).toBe("REPOSITORY_NOT_READY");
    expect(fault.message).toContain("still being cloned");
    held.release();
    await untilRepository(server, repository, "SYNCED");
  });
});

describe("the default branch", () => {
  test("is the remote's, whatever its name", async () => {
    const name = { owner: "acme", name: "trunk" };
    const repository = await cloned(server, git, name, { defaultBranch: "releases/trunk" });
    expect(repository.defaultBranch).toBe("releases/trunk");
    const { worktree } = await createWorktree(server, { ...name, branch: "feature" });
    expect(worktree).toMatchObject({
      base: "releases/trunk",
      baseCommit: repository.headCommit,
    });
  });

  test("is followed when it changes at the remote", async () => {
    const name = { owner: "acme", name: "renamed" };
    const { headCommit } = await cloned(server, git, name, { defaultBranch: "master" });
    const next = await git.pushCommit("acme", "renamed", "next", { "next.txt": "next\n" });
    await git.setDefaultBranch("acme", "renamed", "next");
    const { updated, repository } = await sync(server, name);
    expect(updated).toBe(true);
    expect(repository).toMatchObject({ defaultBranch: "next", headCommit: next });
    expect(next).not.toBe(headCommit);

    // Another name for the same commit is a change too.
    await git.git("acme", "renamed", "branch", "twin", "next");
    await git.setDefaultBranch("acme", "renamed", "twin");
    const twin = await sync(server, name);
    expect(twin.updated).toBe(true);
    expect(twin.repository).toMatchObject({ defaultBranch: "twin", headCommit: next });
  });

  test("is found anew when the old one is deleted at the remote", async () => {
    const name = { owner: "acme", name: "dropped" };
    await cloned(server, git, name, { defaultBranch: "master" });
    const tip = await git.pushCommit("acme", "dropped", "main", { "main.txt": "main\n" });
    await git.setDefaultBranch("acme", "dropped", "main");
    await git.git("acme", "dropped", "branch", "-D", "master");
    const { repository } = await sync(server, name);
    expect(repository).toMatchObject({ defaultBranch: "main", headCommit: tip });
  });

  test("follows a rewritten history", async () => {
    const name = { owner: "acme", name: "rewritten" };
    const { headCommit } = await cloned(server, git, name);
    await git.pushCommit("acme", "rewritten", "main", { "gone.txt": "gone\n" });
    await sync(server, name);
    await git.git("acme", "rewritten", "update-ref", "refs/heads/main", headCommit ?? "");
    const { updated, repository } = await sync(server, name);
    expect(updated).toBe(true);
    expect(repository.headCommit).toBe(headCommit);
  });

  test("is not there in a repository without commits, and comes with the first one", async () => {
    const name = { owner: "acme", name: "empty" };
    const repository = await cloned(server, git, name, { empty: true });
    expect(repository).toMatchObject({ status: "SYNCED", headCommit: null });
    expect((await sync(server, name)).updated).toBe(false);

    const first = await git.pushCommit("acme", "empty", "main", { "README.md": "first\n" });
    const { updated, repository: after } = await sync(server, name);
    expect(updated).toBe(true);
    expect(after).toMatchObject({ defaultBranch: "main", headCommit: first });
  });

  test("that has no commit yet leaves the other branches usable", async () => {
    const name = { owner: "acme", name: "unborn" };
    await git.createRepository("acme", "unborn", { empty: true });
    const tip = await git.pushCommit("acme", "unborn", "dev", { "dev.txt": "dev\n" });
    // HEAD is main, which nobody has pushed.
    const { repository } = await clone(server, name);
    const after = await untilRepository(server, repository, "SYNCED");
    expect(after.headCommit).toBeNull();
    const { worktree } = await createWorktree(server, { ...name, branch: "mine", base: "dev" });
    expect(worktree).toMatchObject({ status: "READY", baseCommit: tip });
    const taken = await createWorktree(server, { ...name, branch: "dev" });
    expect(taken.worktree).toMatchObject({ status: "READY", baseCommit: tip });
  });
});
