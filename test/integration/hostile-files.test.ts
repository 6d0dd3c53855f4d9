// What a worker puts in the place of files that the server reads: FIFOs, links, files without an end, trees that are
// deeper than a path can be long. Each question about them ends soon, with an answer or a name, and holds nobody up.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import {
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rename,
  rm,
  symlink,
  truncate,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { endSchedules, runMaintenance } from "../support/maintenance.ts";
import {
  cloned,
  codeOf,
  createWorktree,
  deleteRepository,
  deleteWorktree,
  faultOf,
  sendDeleteWorktree,
  sendReadWorktree,
  type Name,
} from "../support/repositories.ts";
import { runGit } from "../support/worktree-git.ts";

let git: GitServer;
let server: FactoryServer;

beforeAll(async () => {
  git = await startGitServer();
  server = await startFactory({ git });
  await endSchedules(server);
});

afterAll(async () => {
  // Node.js can't remove what is too deep, which is there where a test has failed.
  execFileSync("rm", ["-rf", join(server.home, "worktrees"), join(server.home, "trash")]);
  await server.dispose();
  await git.stop();
});

async function withWorktree(name: string, branch = "topic") {
  const repository = { owner: "acme", name };
  await cloned(server, git, repository, { files: { "README.md": "one\n", "a/b.txt": "b\n" } });
  const { worktree } = await createWorktree(server, { ...repository, branch });
  const entry = await runGit(worktree.path, "rev-parse", "--absolute-git-dir");
  return { topic: { ...repository, branch }, path: worktree.path, entry };
}

const mkfifo = (path: string) => execFileSync("mkfifo", [path]);

async function replaceByFifo(path: string): Promise<void> {
  await rm(path, { force: true });
  mkfifo(path);
}

const diffFields = "diff { text filesChanged insertions deletions }";
const read = (topic: Name & { branch: string }, fields: string) =>
  sendReadWorktree(server, topic, fields);

/** Every field that was asked for is refused, for the same reason. */
async function refusalOf(topic: Name & { branch: string }, fields: string) {
  const { errors = [], data } = await read(topic, fields);
  const [first, ...more] = errors;
  if (first === undefined) throw new Error(`an error was to be expected: ${JSON.stringify(data)}`);
  for (const { extensions } of more) expect(extensions.code).toBe(first.extensions.code);
  return { code: first.extensions.code, message: first.message };
}

async function readDiff(topic: Name & { branch: string }) {
  const { data, errors } = await read(topic, diffFields);
  expect(errors).toBeUndefined();
  return (data as { worktree: { diff: { text: string; filesChanged: number } } }).worktree.diff;
}

/** All that takes a thread of Node.js works. */
async function expectAlive(other: Name & { branch: string }): Promise<void> {
  expect((await server.fetch("/readyz")).status).toBe(200);
  expect((await readDiff(other)).filesChanged).toBe(0);
}

describe("in the place of what git keeps", () => {
  test("a FIFO for the index holds no thread, however often it is asked for", async () => {
    const { topic, entry } = await withWorktree("index");
    const other = await withWorktree("index-other");
    await replaceByFifo(join(entry, "index"));
    const refusals = await Promise.all(
      Array.from({ length: 6 }, () => refusalOf(topic, "a: diff { text } b: diff { text }")),
    );
    for (const { code, message } of refusals) {
      expect(code).toBe("HOST_FAILURE");
      expect(message).toContain(`${join(entry, "index")} is a FIFO`);
    }
    await expectAlive(other.topic);
  });

  test.each(["packed-refs", "HEAD", "index", "refs/heads/other"])(
    "a FIFO for %s is named, and other repositories are answered meanwhile",
    async (file) => {
      const { topic, path, entry } = await withWorktree(`fifo-${file.replaceAll("/", "-")}`);
      const other = await withWorktree(`other-${file.replaceAll("/", "-")}`);
      const common = await runGit(path, "rev-parse", "--git-common-dir");
      const isOfEntry = file === "HEAD" || file === "index";
      const fifo = join(isOfEntry ? entry : common, file);
      await replaceByFifo(fifo);
      const asked = read(topic, "changedFiles commitsAhead");
      await expectAlive(other.topic);
      const [fault] = (await asked).errors ?? [];
      // A branch of which nothing is asked may be left unread, as may the index by a count of commits.
      if (file === "refs/heads/other" && fault === undefined) return;
      expect(fault?.extensions.code).toBe("HOST_FAILURE");
      expect(fault?.message).toContain(`${fifo} is a FIFO`);
    },
  );

  test("a link to a device and a file of 1 TB are named, for HEAD and for a branch", async () => {
    const { topic, path, entry } = await withWorktree("endless");
    const common = await runGit(path, "rev-parse", "--git-common-dir");
    const head = await readFile(join(entry, "HEAD"));
    for (const [file, original] of [
      [join(entry, "HEAD"), head],
      [join(common, "refs/heads/topic"), undefined],
    ] as const) {
      const kept = original ?? (await readFile(file));
      const makeSparse = async () => {
        await writeFile(file, "");
        await truncate(file, 2 ** 40);
      };
      for (const make of [() => symlink("/dev/zero", file), makeSparse]) {
        await rm(file);
        await make();
        const { code, message } = await refusalOf(topic, "commitsAhead changedFiles");
        expect(code).toBe("HOST_FAILURE");
        expect(message).toContain(file);
      }
      await rm(file);
      await writeFile(file, kept);
    }
    expect((await readDiff(topic)).filesChanged).toBe(0);
  });

  test("a FIFO is in the way of no removal by force", async () => {
    const { topic, path } = await withWorktree("removal");
    const common = await runGit(path, "rev-parse", "--git-common-dir");
    await replaceByFifo(join(common, "packed-refs"));
    expect(codeOf(await sendDeleteWorktree(server, topic))).toBe("HOST_FAILURE");
    const { owner, name } = topic;
    await deleteRepository(server, { owner, name, force: true });
    expect(existsSync(path)).toBe(false);
  });

  test("a FIFO for a file by which git reads the others is named", async () => {
    for (const name of [".gitignore", "a/.gitattributes"]) {
      const { topic, path } = await withWorktree(`by-${name.replace(/\W+/g, "-")}`);
      await writeFile(join(path, "a/b.txt"), "changed\n");
      mkfifo(join(path, name));
      const { errors = [] } = await read(topic, `changedFiles ${diffFields}`);
      for (const { extensions, message } of errors) {
        expect(extensions.code).toBe("HOST_FAILURE");
        expect(message).toContain(name);
      }
    }
  });
});

describe("in the place of a tracked file", () => {
  test("a FIFO or a socket counts as its deletion", async () => {
    const { topic, path } = await withWorktree("tracked");
    await replaceByFifo(join(path, "README.md"));
    await rm(join(path, "a/b.txt"));
    execFileSync("python3", [
      "-c",
      "import socket,sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])",
      join(path, "a/b.txt"),
    ]);
    const diff = await readDiff(topic);
    expect(diff).toMatchObject({ filesChanged: 2, insertions: 0, deletions: 2 });
    expect(diff.text).toContain("deleted file mode 100644");
  });

  test("a file of 1 TB counts as binary, new or not", async () => {
    const { topic, path } = await withWorktree("sparse");
    await truncate(join(path, "README.md"), 2 ** 40);
    await writeFile(join(path, "new \u00e9"), "");
    await truncate(join(path, "new \u00e9"), 2 ** 40);
    await writeFile(join(path, "a/b.txt"), "changed\n");
    const diff = await readDiff(topic);
    expect(diff).toMatchObject({ filesChanged: 3, insertions: 1, deletions: 1 });
    expect(diff.text).toContain("Binary files a/README.md and b/README.md differ\n");
    expect(diff.text).toContain('Binary files "a/new \\303\\251" and "b/new \\303\\251" differ\n');
  });
});

describe("a symbolic link", () => {
  let secrets: string;

  beforeAll(async () => {
    secrets = await mkdtemp(join(tmpdir(), "factory-secrets-"));
    await mkdir(join(secrets, "topic"));
    for (const folder of [secrets, join(secrets, "topic")]) {
      await writeFile(join(folder, "password"), "the password\n");
    }
  });

  afterAll(async () => {
    await rm(secrets, { recursive: true });
  });

  test.each([
    ["the worktree", (path: string) => path],
    ["a folder above it", (path: string) => dirname(path)],
  ])("in the place of %s shows nothing, and goes alone", async (what, placeOf) => {
    const { topic, path } = await withWorktree(`link-${what.length}`);
    const place = placeOf(path);
    await rename(place, `${place}-moved`);
    await symlink(place === path ? join(secrets, "topic") : secrets, place);
    for (const fields of [diffFields, "changedFiles", "headCommit"]) {
      const answer = await read(topic, fields);
      expect(JSON.stringify(answer)).not.toContain("password");
      expect(codeOf(answer)).toBe("WORKTREE_NOT_FOUND");
      expect(faultOf(answer).message).toContain("symbolic link");
    }
    expect(codeOf(await sendDeleteWorktree(server, topic))).toBe("WORKTREE_NOT_FOUND");
    await deleteWorktree(server, { ...topic, force: true });
    expect(await readdir(secrets)).toEqual(["password", "topic"]);
    expect(await readdir(join(secrets, "topic"))).toEqual(["password"]);
  });

  test("in the place of what git keeps of the worktree is refused", async () => {
    const { topic, entry } = await withWorktree("link-entry");
    await rename(entry, `${entry}-moved`);
    await symlink(`${entry}-moved`, entry);
    expect(codeOf(await read(topic, diffFields))).toBe("WORKTREE_NOT_FOUND");
  });

  test("in the place of the index is refused", async () => {
    const { topic, entry } = await withWorktree("link-index");
    await rm(join(entry, "index"));
    await symlink(join(secrets, "password"), join(entry, "index"));
    const answer = await read(topic, diffFields);
    expect(faultOf(answer).message).toContain("is a symbolic link");
  });

  test("that takes turns with the worktree never shows what it leads to", async () => {
    const { topic, path } = await withWorktree("link-race");
    const [moved, link] = [`${path}-moved`, `${path}-link`];
    await symlink(join(secrets, "topic"), link);
    const swap = { going: true };
    const swapping = (async () => {
      while (swap.going) {
        await rename(path, moved);
        await rename(link, path);
        await rename(path, link);
        await rename(moved, path);
      }
    })();
    try {
      for (let round = 0; round < 10; round += 1) {
        const answer = await read(topic, `changedFiles ${diffFields}`);
        expect(JSON.stringify(answer)).not.toContain("password");
      }
    } finally {
      swap.going = false;
      await swapping;
    }
  });
});

describe("a tree that is deeper than a path can be long", () => {
  /** As a worker makes it: by steps. */
  function makeDeep(folder: string): void {
    const script = `import os,sys
os.chdir(sys.argv[1])
for _ in range(400):
    os.mkdir("x" * 50)
    os.chdir("x" * 50)
open("work", "w").write("work")`;
    execFileSync("python3", ["-c", script, folder]);
  }

  test("counts as a change, and goes by force", async () => {
    const { topic, path } = await withWorktree("deep");
    makeDeep(path);
    const { data } = await read(topic, "changedFiles");
    expect(data).toEqual({ worktree: { changedFiles: 1 } });
    const fault = faultOf(await sendDeleteWorktree(server, topic));
    expect(fault.extensions).toMatchObject({ code: "WORKTREE_DIRTY", changedFiles: 1 });
    expect(existsSync(path)).toBe(true);
    await deleteWorktree(server, { ...topic, force: true });
    expect(existsSync(path)).toBe(false);
    expect(await readdir(join(server.home, "trash"))).toEqual([]);
  });

  test("in the trash or among the worktrees fails neither a sweep nor a start", async () => {
    const { path, entry } = await withWorktree("deep-trash");
    const trash = join(server.home, "trash");
    for (const name of ["a", "z"]) await mkdir(join(trash, name), { recursive: true });
    makeDeep(join(trash, "a"));
    const beside = join(dirname(path), "no-worktree");
    await mkdir(beside);
    makeDeep(beside);
    const below = join(entry, "refs/heads/deep");
    await mkdir(below);
    makeDeep(below);
    const lines = await runMaintenance(server, "SWEEP");
    expect(lines.filter((line) => line.includes("failed"))).toEqual([]);
    expect(await readdir(trash)).toEqual([]);
    execFileSync("rm", ["-rf", below]);

    await mkdir(join(trash, "b"));
    makeDeep(join(trash, "b"));
    await server.kill();
    server = await server.restart();
    expect((await server.fetch("/readyz")).status).toBe(200);
    execFileSync("rm", ["-rf", beside]);
  });
});
