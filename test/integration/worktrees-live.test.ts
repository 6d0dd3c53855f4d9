// What is read from git when it is asked for, and the streams of repositories and worktrees.
import { rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { queryDatabase } from "../support/inventory.ts";
import {
  cloned,
  createWorktree,
  deleteWorktree,
  followRepository,
  followWorktrees,
  inspectWorktree,
  readRepository,
  readWorktree,
  sendReadWorktree,
  sync,
  type Name,
  type WorktreeChange,
} from "../support/repositories.ts";
import { dispatch, untilEnded } from "../support/workers.ts";
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

async function withWorktree(name: string, files: Record<string, string> = {}) {
  const repository = { owner: "acme", name };
  await cloned(server, git, repository, { files: { "README.md": "one\ntwo\n", ...files } });
  const { worktree } = await createWorktree(server, { ...repository, branch: "topic" });
  return { repository, topic: { ...repository, branch: "topic" }, worktree, path: worktree.path };
}

describe("a worktree's live fields", () => {
  test("follow what happens in it", async () => {
    const { topic, worktree, path } = await withWorktree("follow");
    const { baseCommit } = worktree;
    expect(await inspectWorktree(server, topic)).toEqual({
      headCommit: baseCommit,
      commitsAhead: 0,
      changedFiles: 0,
      diff: { text: "", truncated: false, filesChanged: 0, insertions: 0, deletions: 0 },
    });

    await writeFile(join(path, "README.md"), "one\n2\n");
    await writeFile(join(path, "new.txt"), "new\n");
    const changed = await inspectWorktree(server, topic);
    expect(changed).toMatchObject({ headCommit: baseCommit, commitsAhead: 0, changedFiles: 2 });
    expect(changed.diff).toMatchObject({ filesChanged: 2, insertions: 2, deletions: 1 });
    expect(changed.diff?.text).toContain("-two\n+2\n");
    expect(changed.diff?.text).toContain("+++ b/new.txt");
    // Reading has entered nothing in the index that the worker sees.
    expect(await runGit(path, "status", "--porcelain")).toBe("M README.md\n?? new.txt");

    const first = await commitAll(path, "First");
    await rm(join(path, "new.txt"));
    const committed = await inspectWorktree(server, topic);
    expect(committed).toMatchObject({ headCommit: first, commitsAhead: 1, changedFiles: 1 });
    // From the base to the files as they are: what came and went is not in it.
    expect(committed.diff).toMatchObject({ filesChanged: 1, insertions: 1, deletions: 1 });
    const second = await commitAll(path, "Second");
    expect(await inspectWorktree(server, topic)).toMatchObject({
      headCommit: second,
      commitsAhead: 2,
      changedFiles: 0,
    });
  });

  test("the diff is cut at 1 MiB, and its counts are those of the whole", async () => {
    const { topic, path } = await withWorktree("large");
    const line = `${"x".repeat(99)}\n`;
    await writeFile(join(path, "large.txt"), line.repeat(20_000));
    await writeFile(join(path, "zlast.txt"), "last\n");
    const { diff } = await inspectWorktree(server, topic);
    expect(diff).toMatchObject({
      truncated: true,
      filesChanged: 2,
      insertions: 20_001,
      deletions: 0,
    });
    const bytes = Buffer.byteLength(diff?.text ?? "");
    expect(bytes).toBeLessThanOrEqual(1024 * 1024);
    expect(bytes).toBeGreaterThan(1024 * 1024 - 200);
  });

  test("files that are no text, or lead elsewhere, are told of without their content", async () => {
    const { topic, path } = await withWorktree("strange");
    await writeFile(join(path, "binary"), Buffer.from([0, 1, 2, 255]));
    await symlink("/etc/passwd", join(path, "link"));
    await writeFile(join(path, "latin"), Buffer.from("gr\xfc\xdfe\n", "latin1"));
    const { diff, changedFiles } = await inspectWorktree(server, topic);
    expect(changedFiles).toBe(3);
    expect(diff?.text).toContain("Binary files /dev/null and b/binary differ");
    expect(diff?.text).toContain("+/etc/passwd\n");
    expect(diff?.text).not.toContain("root:");
    expect(diff?.text).toContain("gr\ufffd\ufffde");
  });

  test("are read only where they are selected", async () => {
    const { repository, topic, worktree } = await withWorktree("selected");
    const clone = join(server.home, "repositories", git.host, "acme", "selected.git");
    // Without its repository git can answer nothing.
    await rename(clone, `${clone}.away`);
    try {
      expect(await readWorktree(server, topic)).toEqual(worktree);
      const { repository: found } = await server.query<{ repository: object }>(
        `query ($owner: String!, $name: String!) {
          repository(owner: $owner, name: $name) {
            status headCommit worktrees { totalCount nodes { branch baseCommit activeWorker { id } } }
          }
        }`,
        { ...repository },
      );
      expect(found).toMatchObject({ worktrees: { totalCount: 1, nodes: [{ branch: "topic" }] } });
      for (const field of ["headCommit", "commitsAhead", "changedFiles", "diff { text }"]) {
        const { data, errors } = await sendReadWorktree(server, topic, `branch ${field}`);
        const [name = ""] = field.split(" ");
        expect(errors?.map(({ path }) => path)).toEqual([["worktree", name]]);
        expect(data.worktree).toEqual({ branch: "topic", [name]: null });
      }
    } finally {
      await rename(`${clone}.away`, clone);
    }
    expect((await inspectWorktree(server, topic)).changedFiles).toBe(0);
  });
});

function statuses(messages: readonly { worktreeChanged: WorktreeChange }[]) {
  return messages.map(({ worktreeChanged: { sequence, branch, status } }) => [
    sequence,
    branch,
    status,
  ]);
}

describe("worktreeChanged", () => {
  test("tells of each worktree as it is made, used, and gone", async () => {
    const { repository, topic } = await withWorktree("stream");
    const live = followWorktrees(server, repository, 0);
    await live.first(2);
    const worker = await dispatch(server, {
      parentSession: "stream",
      repository,
      branch: "topic",
      task: "true",
    });
    await untilEnded(server, worker.name);
    await createWorktree(server, { ...repository, branch: "second" });
    await deleteWorktree(server, topic);
    const messages = await live.first(8);
    expect(statuses(messages)).toEqual([
      [1, "topic", "CREATING"],
      [2, "topic", "READY"],
      [3, "topic", "RUNNING"],
      [4, "topic", "READY"],
      [5, "second", "CREATING"],
      [6, "second", "READY"],
      [7, "topic", "REMOVING"],
      [8, "topic", "REMOVING"],
    ]);
    expect(messages.at(-1)?.worktreeChanged.worktree).toBeNull();
    live.end();

    // A replay tells the same; what is gone is null, whatever it was then.
    const replay = followWorktrees(server, { owner: "ACME", name: "Stream" }, 0);
    const again = await replay.first(8);
    expect(statuses(again)).toEqual(statuses(messages));
    for (const { worktreeChanged } of again) {
      expect(worktreeChanged.worktree).toEqual(
        worktreeChanged.branch === "topic" ? null : { branch: "second", status: "READY" },
      );
    }
    replay.end();
  });

  test("resumes after any sequence without a gap or a repeat, while worktrees are made", async () => {
    const { repository } = await withWorktree("resume");
    const making = Array.from({ length: 6 }, (_, index) =>
      createWorktree(server, { ...repository, branch: `made-${String(index)}` }),
    );
    const heard: number[] = [];
    // As a client does that loses its connection after every third message.
    while (heard.length < 14) {
      const live = followWorktrees(server, repository, heard.length);
      const messages = await live.first(Math.min(3, 14 - heard.length));
      heard.push(...messages.map(({ worktreeChanged }) => worktreeChanged.sequence));
      live.end();
    }
    await Promise.all(making);
    expect(heard).toEqual(Array.from({ length: 14 }, (_, index) => index + 1));
    expect(await readRepository(server, repository)).toMatchObject({ worktreesLastSequence: 14 });
  });

  test("of a repository never worked in waits for the first one", async () => {
    const repository = { owner: "acme", name: "fresh" };
    await cloned(server, git, repository);
    const replay = followWorktrees(server, repository, 0);
    await createWorktree(server, { ...repository, branch: "first" });
    expect(statuses(await replay.first(2))).toEqual([
      [1, "first", "CREATING"],
      [2, "first", "READY"],
    ]);
    replay.end();
  });
});

describe("repositoryChanged", () => {
  test("replays from a sequence, then goes on live, for each subscriber alike", async () => {
    const repository = { owner: "acme", name: "changes" };
    const { lastSequence } = await cloned(server, git, repository);
    const all = followRepository(server, repository, 0);
    const last = followRepository(server, { owner: "Acme", name: "CHANGES" }, lastSequence - 1);
    expect((await last.first(1))[0]?.repositoryChanged).toMatchObject({
      sequence: lastSequence,
      status: "SYNCED",
    });
    await all.first(lastSequence);
    await sync(server, repository);
    const heard = await all.first(lastSequence + 2);
    expect(heard.map(({ repositoryChanged }) => repositoryChanged.sequence)).toEqual(
      Array.from({ length: lastSequence + 2 }, (_, index) => index + 1),
    );
    expect((await last.first(3)).slice(1)).toEqual(heard.slice(lastSequence));
    all.end();
    last.end();
  });

  test("without a sequence tells what comes from now on", async () => {
    const repository = { owner: "acme", name: "now" };
    const { lastSequence } = await cloned(server, git, repository);
    const live = followRepository(server, repository);
    // Nothing tells that a subscription stands that has nothing to say: so changes are made until it speaks.
    while (live.messages.length === 0) await sync(server, repository);
    const [first] = live.messages;
    expect(first?.repositoryChanged.sequence).toBeGreaterThan(lastSequence);
    live.end();
  });

  test("tells null for a repository that is gone, and doesn't complete", async () => {
    const repository = { owner: "acme", name: "leaves" };
    const { lastSequence } = await cloned(server, git, repository);
    const live = followRepository(server, repository, lastSequence);
    await server.query(
      `mutation { deleteRepository(input: {owner: "acme", name: "leaves"}) { name } }`,
    );
    const messages = await live.first(2);
    expect(messages.map(({ repositoryChanged }) => repositoryChanged)).toMatchObject([
      { status: "REMOVING" },
      { status: "REMOVING", message: "deleted", repository: null },
    ]);
    await server.query(
      `mutation { cloneRepository(input: {owner: "acme", name: "leaves"}) { created } }`,
    );
    expect((await live.first(3))[2]?.repositoryChanged).toMatchObject({
      sequence: lastSequence + 3,
      status: "CLONING",
    });
    expect(await readRepository(server, repository)).not.toBeNull();
    live.end();
  });
});

describe("both streams refuse", () => {
  const follow = {
    repositoryChanged: (name: Name, after?: number) => followRepository(server, name, after),
    worktreeChanged: (name: Name, after?: number) => followWorktrees(server, name, after),
  };

  test.each(["repositoryChanged", "worktreeChanged"] as const)(
    "%s: a repository that isn't there, or can't be",
    async (field) => {
      await expect(
        follow[field]({ owner: "acme", name: "nowhere" }).completed,
      ).rejects.toMatchObject({ codes: ["REPOSITORY_NOT_FOUND"] });
      await expect(follow[field]({ owner: "..", name: "x" }, 0).completed).rejects.toMatchObject({
        codes: ["BAD_INPUT"],
      });
    },
  );

  test.each(["repositoryChanged", "worktreeChanged"] as const)(
    "%s: a sequence that is ahead, or negative",
    async (field) => {
      const { repository } = await withWorktree(`cursor-${field.toLowerCase()}`);
      const found = await readRepository(server, repository);
      const last =
        field === "repositoryChanged" ? found?.lastSequence : found?.worktreesLastSequence;
      await expect(follow[field](repository, (last ?? 0) + 1).completed).rejects.toMatchObject({
        codes: ["CURSOR_AHEAD"],
        errors: [{ extensions: { lastSequence: last } }],
      });
      await expect(follow[field](repository, -1).completed).rejects.toMatchObject({
        codes: ["BAD_INPUT"],
      });
    },
  );

  test.each(["repositoryChanged", "worktreeChanged"] as const)(
    "%s: what retention has removed",
    async (field) => {
      const { repository } = await withWorktree(`expired-${field.toLowerCase()}`);
      const prefix = field === "repositoryChanged" ? "repository" : "worktrees";
      const key = `${prefix}:acme/${repository.name}`;
      await queryDatabase(
        server,
        `WITH stream AS (UPDATE "Stream" SET "firstSequence" = 2 WHERE key = $1 RETURNING id)
         DELETE FROM "Event" WHERE sequence < 2 AND "streamId" IN (SELECT id FROM stream)`,
        [key],
      );
      const oldest = follow[field](repository, 0);
      const [message] = await oldest.first(1);
      expect(Object.values(message ?? {})[0]).toMatchObject({ sequence: 2 });
      oldest.end();
      await queryDatabase(
        server,
        `WITH stream AS (UPDATE "Stream" SET "firstSequence" = "lastSequence" + 1 WHERE key = $1
                         RETURNING id)
         DELETE FROM "Event" WHERE "streamId" IN (SELECT id FROM stream)`,
        [key],
      );
      const found = await readRepository(server, repository);
      const last =
        (field === "repositoryChanged" ? found?.lastSequence : found?.worktreesLastSequence) ?? 0;
      await expect(follow[field](repository, 1).completed).rejects.toMatchObject({
        codes: ["EVENTS_EXPIRED"],
        errors: [{ extensions: { firstSequence: last + 1 } }],
      });
    },
  );
});
