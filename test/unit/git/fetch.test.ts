import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { execFile } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { assertBrought } from "../../../src/git/fetch.ts";
import { readRemoteRefs } from "../../../src/git/refs.ts";
import { createWorkspace, workerGit, type Workspace } from "./workspace.ts";

let workspace: Workspace;

beforeAll(async () => {
  workspace = await createWorkspace();
});
afterAll(async () => {
  await workspace.close();
});

describe("a clone", () => {
  test("tells the default branch, its commit and its progress, and HEADs that stand for it", async () => {
    const { server } = workspace;
    const first = await server.createRepository("acme", "plain", { defaultBranch: "trunk" });
    const repository = workspace.open("plain");
    expect(await repository.exists()).toBe(false);
    const told: number[] = [];
    const tips = await repository.clone(server.url("acme", "plain"), {
      onProgress: (percent) => told.push(percent),
    });
    expect(tips).toEqual({ defaultBranch: "trunk", headCommit: first });
    expect(await repository.exists()).toBe(true);
    expect(told).toEqual(told.toSorted((a, b) => a - b));
    expect(await workerGit(repository.path, "symbolic-ref", "HEAD")).toBe("refs/heads/trunk");
    expect(await workerGit(repository.path, "rev-parse", "origin/HEAD")).toBe(first);
  });

  test("of an empty repository succeeds, and its first commit is fetched later", async () => {
    const { server } = workspace;
    const { repository } = await workspace.cloned("empty", { empty: true });
    expect(await repository.fetch()).toEqual({
      defaultBranch: null,
      headCommit: null,
      changed: false,
    });
    const commit = await server.pushCommit("acme", "empty", "main", { a: "1" });
    expect(await repository.fetch()).toEqual({
      defaultBranch: "main",
      headCommit: commit,
      changed: true,
    });
  });

  test("of a shallow clone has its files, and follows it", async () => {
    const { server } = workspace;
    await server.createRepository("acme", "deep");
    for (const name of ["1", "2", "3"]) await server.pushCommit("acme", "deep", "main", { name });
    const from = join(server.folder, "acme/deep.git");
    const shallow = join(server.folder, "acme/shallow.git");
    await workerGit(server.folder, "clone", "-q", "--bare", "--depth=2", `file://${from}`, shallow);
    const repository = workspace.open("shallow");
    const tip = await workerGit(shallow, "rev-parse", "main");
    expect(await repository.clone(server.url("acme", "shallow"))).toEqual({
      defaultBranch: "main",
      headCommit: tip,
    });
    expect(await workerGit(repository.path, "rev-list", "--count", "origin/main")).toBe("2");
    expect(await workerGit(repository.path, "ls-tree", "--name-only", tip)).toContain("name");
    const next = await server.pushCommit("acme", "shallow", "main", { name: "4" });
    expect(await repository.fetch()).toMatchObject({ headCommit: next, changed: true });
    // One that has become shallow at another commit since.
    await workerGit(shallow, "fetch", "-q", "--depth=1", `file://${from}`, "+main:other");
    expect(await repository.fetch()).toMatchObject({ headCommit: next, changed: true });
    expect((await repository.branches()).remote.has("other")).toBe(true);
  });

  test("of many refs writes them at once, and looks like one that git has packed", async () => {
    const { server, calls } = workspace;
    const tip = await server.createRepository("acme", "many");
    const folder = join(server.folder, "acme/many.git");
    await workerGit(folder, "tag", "-a", "-m", "x", "annotated", tip);
    const names = Array.from({ length: 300 }, (_, index) => `bot/update-${String(index)}`);
    const lines = [...names, "ä/ö", "z-1", "z"].map((name) => `${tip} refs/heads/${name}\n`);
    await writeFile(join(folder, "packed-refs"), `# pack-refs with: \n${lines.join("")}`);
    const before = calls.length;
    const repository = workspace.open("many");
    await repository.clone(server.url("acme", "many"));
    expect(calls.slice(before).filter(({ arguments: [what] }) => what === "fetch")).toHaveLength(1);
    const seen = async (folderOfRefs: string, prefix: string) =>
      (await workerGit(folderOfRefs, "for-each-ref", "--format=%(objectname) %(refname)", prefix))
        .replaceAll(prefix, "")
        .split("\n")
        .filter((line) => !line.endsWith(" HEAD"));
    expect(await seen(repository.path, "refs/remotes/origin/")).toEqual(
      await seen(folder, "refs/heads/"),
    );
    expect(await seen(repository.path, "refs/tags/")).toEqual(await seen(folder, "refs/tags/"));
    await workerGit(repository.path, "fsck", "--connectivity-only");
    expect(await readdir(join(repository.path, "refs/remotes/origin"))).toEqual(["HEAD"]);
    // As many later are packed as well.
    const more = names.map((name) => `create refs/heads/more/${name} ${tip}\n`).join("");
    const input = join(workspace.home, "more");
    await writeFile(input, more);
    await promisify(execFile)("sh", ["-c", `git update-ref --stdin <'${input}'`], { cwd: folder });
    expect(await repository.fetch()).toMatchObject({ changed: true });
    expect(await readdir(join(repository.path, "refs/remotes/origin"))).toEqual(["HEAD"]);
    expect((await repository.branches()).remote.size).toBe(2 * names.length + 4);
  });

  test("of a repository of SHA-256 is NOT_SUPPORTED, also where it gets its first commit later", async () => {
    const { server } = workspace;
    const folder = join(server.folder, "acme/sha256.git");
    const init = ["init", "-q", "--bare", "--object-format=sha256", "-b", "main", folder];
    await workerGit(server.folder, ...init);
    await workerGit(folder, "config", "http.receivepack", "true");
    const repository = workspace.open("sha256");
    const url = server.url("acme", "sha256");
    const error = { code: "NOT_SUPPORTED", message: expect.stringContaining("SHA-256") };
    // As long as it is empty, nothing shows what it is.
    const early = workspace.open("sha256-early");
    expect(await early.clone(url)).toEqual({ defaultBranch: null, headCommit: null });
    const tree = await workerGit(folder, "write-tree");
    const commit = await workerGit(folder, "commit-tree", "-m", "first", tree);
    await workerGit(folder, "update-ref", "refs/heads/main", commit);
    await expect(repository.clone(url)).rejects.toMatchObject(error);
    await expect(early.fetch()).rejects.toMatchObject(error);
  });

  test("that did not bring the default branch fails", async () => {
    const { repository } = await workspace.cloned("not-brought");
    const { remote, ...rest } = await repository.branches();
    const branches = new Map([["main", "1".repeat(40)]]);
    const there = { branches, tags: new Map<string, string>(), defaultBranch: "main" };
    const gone = { ...rest, remote: new Map<string, string>() };
    const failure = expect.objectContaining({ code: "REMOTE_UNREACHABLE" });
    expect(() => {
      assertBrought(there, gone);
    }).toThrow(failure);
    // It stayed where it was, though the remote's has moved.
    const here = { ...rest, remote };
    expect(() => {
      assertBrought(there, here, here);
    }).toThrow(failure);
    // It moved on between the look and the fetch.
    assertBrought(there, here, gone);
    assertBrought({ ...there, defaultBranch: null }, gone);
  });

  test("that fails leaves nothing, and says which side failed", async () => {
    const { server } = workspace;
    const repository = workspace.open("absent");
    await expect(repository.clone(server.url("acme", "absent"))).rejects.toMatchObject({
      code: "REMOTE_NOT_FOUND",
    });
    await expect(repository.clone("http://127.0.0.1:1/acme/absent.git")).rejects.toMatchObject({
      code: "REMOTE_UNREACHABLE",
    });
    await expect(repository.clone("http://nowhere.invalid/acme/absent.git")).rejects.toMatchObject({
      code: "REMOTE_UNREACHABLE",
    });
    await expect(repository.clone("ext::sh -c id")).rejects.toMatchObject({ code: "BAD_INPUT" });
    expect(await repository.exists()).toBe(false);
    expect(await readdir(join(repository.path, ".."))).not.toContainEqual(
      expect.stringContaining("absent"),
    );
    await expect(repository.fetch()).rejects.toMatchObject({ code: "REPOSITORY_NOT_READY" });
  });

  test("that is aborted rejects with the reason and leaves nothing", async () => {
    const { server } = workspace;
    await server.createRepository("acme", "slow");
    const held = server.hold(/slow.*upload-pack/);
    const repository = workspace.open("slow");
    const abort = new AbortController();
    const cloning = repository.clone(server.url("acme", "slow"), { signal: abort.signal });
    await held.arrived;
    abort.abort(new Error("enough"));
    await expect(cloning).rejects.toThrow("enough");
    held.release();
    expect(await repository.exists()).toBe(false);
    const names = await readdir(join(repository.path, ".."));
    expect(names.filter((name) => name.startsWith("slow"))).toEqual([]);
  });

  test("removes what a killed clone left, and only that", async () => {
    const { server, home } = workspace;
    const folder = join(home, "repositories", server.host, "acme");
    const left = join(folder, `again.git.cloning-${crypto.randomUUID()}`);
    const other = join(folder, "again.git.cloning-x.git");
    await mkdir(join(left, "objects"), { recursive: true });
    await mkdir(other, { recursive: true });
    await workspace.cloned("again");
    const names = (await readdir(folder)).filter((name) => name.startsWith("again"));
    expect(names.sort()).toEqual(["again.git", "again.git.cloning-x.git"]);
  });
});

describe("a fetch", () => {
  test("brings new branches, moved ones, tags, and removes branches that are gone", async () => {
    const { server } = workspace;
    const { repository, first } = await workspace.cloned("moves");
    await server.pushCommit("acme", "moves", "feat", { a: "1" });
    await server.git("acme", "moves", "tag", "light", first);
    await repository.fetch();
    await server.git("acme", "moves", "branch", "-D", "feat");
    const nested = await server.pushCommit("acme", "moves", "feat/x", { a: "2" });
    const moved = await server.pushCommit("acme", "moves", "main", { b: "1" });
    await server.git("acme", "moves", "tag", "-a", "-m", "v1", "v1", moved);

    const result = await repository.fetch();

    expect(result).toEqual({ defaultBranch: "main", headCommit: moved, changed: true });
    const { remote, tags } = await repository.branches();
    expect(Object.fromEntries(remote)).toEqual({ main: moved, "feat/x": nested });
    expect([...tags.keys()]).toEqual(["light", "v1"]);
    expect(await repository.fetch()).toEqual({ ...result, changed: false });
  });

  test("follows a history that was rewritten, and a changed default branch", async () => {
    const { server } = workspace;
    const { repository, first } = await workspace.cloned("rewritten");
    await server.pushCommit("acme", "rewritten", "main", { a: "1" });
    await repository.fetch();
    await server.git("acme", "rewritten", "update-ref", "refs/heads/main", first);
    expect((await repository.fetch()).headCommit).toBe(first);
    const other = await server.pushCommit("acme", "rewritten", "other", { a: "2" });
    await server.setDefaultBranch("acme", "rewritten", "other");
    expect(await repository.fetch()).toMatchObject({ defaultBranch: "other", headCommit: other });
    expect(await workerGit(repository.path, "symbolic-ref", "HEAD")).toBe("refs/heads/other");
  });

  test("packs refs that many fetches wrote, also where a worker made a deep folder", async () => {
    const { server } = workspace;
    const { repository, first } = await workspace.cloned("adds-up");
    const written = join(repository.path, "refs/remotes/origin");
    const deep = Array.from({ length: 20 }, () => "x".repeat(150)).join("/");
    await mkdir(join(repository.path, "refs/tags", deep), { recursive: true });
    const branchesOf = async (part: string) => {
      const names = Array.from({ length: 60 }, (_, index) => `${part}/${String(index)}`);
      const folder = join(server.folder, "acme/adds-up.git");
      const lines = names.map((name) => `create refs/heads/${name} ${first}\n`);
      const running = promisify(execFile)("git", ["update-ref", "--stdin"], { cwd: folder });
      running.child.stdin?.end(lines.join(""));
      await running;
      await repository.fetch();
    };
    await branchesOf("one");
    expect(await readdir(written)).toContain("one");
    await branchesOf("two");
    expect(await readdir(written)).toEqual(["HEAD"]);
    expect((await repository.branches()).remote.size).toBe(121);
  });

  test("removes a branch whose name is no UTF-8", async () => {
    const { server } = workspace;
    const { repository, first } = await workspace.cloned("bytes");
    const packed = join(server.folder, "acme/bytes.git/packed-refs");
    const odd = Buffer.concat([
      Buffer.from(`# pack-refs with: sorted \n${first} refs/heads/caf`),
      Buffer.from([0xe9]),
      Buffer.from(`\n${first} refs/heads/other\n`),
    ]);
    await writeFile(packed, odd);
    expect(await repository.fetch()).toMatchObject({ changed: true });
    expect(await repository.fetch()).toMatchObject({ changed: false });
    expect([...(await repository.branches()).remote.keys()]).toEqual([
      "caf\uFFFD",
      "main",
      "other",
    ]);
    await writeFile(packed, "");
    expect(await repository.fetch()).toMatchObject({ changed: true, headCommit: first });
    expect([...(await repository.branches()).remote.keys()]).toEqual(["main"]);
    expect(await repository.fetch()).toMatchObject({ changed: false });
  });

  test("takes no line for a ref that a name with a line break makes up", async () => {
    const id = "1".repeat(40);
    const output = [
      ...["ref: refs/heads/main\tHEAD", `${id}\tHEAD`, `${id}\trefs/heads/main`],
      ...["+refs/*:refs/*\trefs/heads/made-up", "\trefs/heads/empty", ""],
    ].join("\n");
    const read = readRemoteRefs(
      () => Promise.resolve(output),
      { gitDirectory: workspace.home },
      { environment: {}, timeoutMs: 1_000 },
    );
    expect(await read).toEqual({
      branches: new Map([["main", id]]),
      tags: new Map(),
      defaultBranch: "main",
    });
  });

  test("is no reason to read all branches for one name", async () => {
    const { server } = workspace;
    const { repository, first } = await workspace.cloned("near");
    for (const name of ["Feat/a", "other/b", "caf\u00e9/x", "caf\u00e9", "x"]) {
      // A folder and a file of one name are at the remote one after the other.
      if (name === "caf\u00e9") await server.git("acme", "near", "branch", "-D", "caf\u00e9/x");
      await server.git("acme", "near", "branch", name, first);
    }
    await repository.fetch();
    await workerGit(repository.path, "branch", "FEAT", first);
    const near = async (branch: string) => {
      const { local, remote } = await repository.branchesNear(branch);
      return [...local.keys(), ...remote.keys()];
    };
    expect(await near("feat/c")).toEqual(["FEAT", "Feat/a"]);
    expect(await near("feat")).toEqual(["FEAT", "Feat/a"]);
    expect(await near("fea")).toEqual([]);
    expect(await near("CAFE\u0301/y")).toEqual(["caf\u00e9"]);
    expect(await near("x")).toEqual(["x"]);
  });

  test("keeps a tag that a worker made", async () => {
    const { server } = workspace;
    const { repository, first } = await workspace.cloned("tagged");
    await workerGit(repository.path, "tag", "mine", first);
    await server.pushCommit("acme", "tagged", "main", { a: "1" });
    await repository.fetch();
    expect((await repository.branches()).tags.get("mine")).toBe(first);
  });

  test("that finds nothing new costs two processes and one look at the remote", async () => {
    const { server, calls } = workspace;
    const { repository } = await workspace.cloned("quiet");
    const before = calls.length;
    const requests = server.requestCount(/quiet/);
    await repository.fetch();
    const commands = calls.slice(before).map(({ arguments: [command] }) => command);
    expect(commands.sort()).toEqual(["for-each-ref", "ls-remote"]);
    // The capabilities, then the refs (protocol version 2).
    expect(server.requestCount(/quiet/) - requests).toBe(2);
  });

  test("that runs already isn't shared; those who ask meanwhile share the next one", async () => {
    const { server } = workspace;
    const { repository } = await workspace.cloned("shared");
    const held = server.hold(/shared/);
    const running = repository.fetch();
    await held.arrived;
    const requests = server.requestCount(/shared.*info\/refs/);
    const commit = await server.pushCommit("acme", "shared", "main", { a: "1" });
    const later = Array.from({ length: 20 }, () =>
      workspace
        .open("shared")
        .fetch()
        .then(({ headCommit }) => headCommit),
    );
    held.release();
    await running;
    expect(new Set(await Promise.all(later))).toEqual(new Set([commit]));
    // One look by the shared fetch, and one by git's own fetch of what is new; the running one may do both.
    expect(server.requestCount(/shared.*info\/refs/) - requests).toBeLessThanOrEqual(3);
  });

  test("goes on when one of those who wait for it leaves, and ends when all have left", async () => {
    const { server, calls } = workspace;
    const { repository, first } = await workspace.cloned("left");
    const held = server.hold(/left/);
    const [one, two] = [new AbortController(), new AbortController()];
    const leaving = repository.fetch({ signal: one.signal });
    const staying = repository.fetch({ signal: two.signal });
    await held.arrived;
    one.abort(new Error("gone"));
    await expect(leaving).rejects.toThrow("gone");
    held.release();
    expect((await staying).headCommit).toBe(first);

    const heldAgain = server.hold(/left/);
    const alone = new AbortController();
    const before = calls.length;
    const waiting = repository.fetch({ signal: alone.signal });
    await heldAgain.arrived;
    alone.abort(new Error("gone too"));
    await expect(waiting).rejects.toThrow("gone too");
    // The next one comes through although the server never answers the one that was left.
    const next = repository.fetch();
    heldAgain.release();
    await next;
    const looks = calls.slice(before).filter(({ arguments: [command] }) => command === "ls-remote");
    expect(looks.map(({ exitCode }) => exitCode)).toEqual([null, 0]);
  });
});

describe("a base", () => {
  test("is a remote branch, then a tag, then a local branch, then a commit", async () => {
    const { server } = workspace;
    const { repository, first } = await workspace.cloned("bases");
    const second = await server.pushCommit("acme", "bases", "main", { a: "1" });
    await server.git("acme", "bases", "tag", "main", first);
    await server.git("acme", "bases", "tag", "-a", "-m", "v1", "v1", first);
    await server.git("acme", "bases", "tag", "tree", `${first}^{tree}`);
    await repository.fetch();
    await workerGit(repository.path, "branch", "v1", second);
    await workerGit(repository.path, "branch", "mine", second);

    for (const [base, ref, commit] of [
      ["main", "refs/remotes/origin/main", second],
      ["refs/tags/main", "refs/tags/main", first],
      ["v1", "refs/tags/v1", first],
      ["refs/heads/v1", "refs/heads/v1", second],
      ["mine", "refs/heads/mine", second],
      ["origin/main", "refs/remotes/origin/main", second],
      [first, first, first],
      [first.slice(0, 7), first, first],
    ] as const) {
      expect(await repository.resolveBase(base)).toEqual({ ref, commit });
    }
    for (const base of ["absent", "tree", "0000000", "0".repeat(40), "refs/heads/main"]) {
      await expect(repository.resolveBase(base)).rejects.toMatchObject({ code: "BASE_NOT_FOUND" });
    }
  });
});

describe("credentials", () => {
  const secret = "s3cr3t/p@ss word";

  test("reach the remote and are nowhere else: not in arguments, files, messages or workers' reach", async () => {
    const bin = await mkdtemp(join(tmpdir(), "factory-bin-"));
    const log = join(bin, "log");
    // Stands before the real git on PATH and writes down how it was called.
    const real = (await workerGit(bin, "--exec-path")).trim();
    await writeFile(join(bin, "git"), `#!/bin/sh\necho "$@" >> ${log}\nexec ${real}/git "$@"\n`);
    await chmod(join(bin, "git"), 0o755);
    const other = await createWorkspace({
      ...process.env,
      PATH: `${bin}:${process.env["PATH"] ?? ""}`,
    });
    try {
      const { server, home } = other;
      await server.createRepository("acme", "private");
      server.requireAuth("acme", "private", { username: "ada", password: secret });
      const repository = other.open("private");
      const url = server.url("acme", "private");

      const refused = await repository.clone(url).catch((error: unknown) => error);
      expect(refused).toMatchObject({ code: "REMOTE_AUTH_FAILED" });
      const given = url.replace("://", `://ada:${encodeURIComponent("wrong" + secret)}@`);
      const wrong = await repository.clone(given).catch((error: unknown) => error);
      expect(wrong).toMatchObject({ code: "REMOTE_AUTH_FAILED" });

      await repository.clone(url.replace("://", `://ada:${encodeURIComponent(secret)}@`));
      const commit = await server.pushCommit("acme", "private", "main", { a: "1" });
      expect((await repository.fetch()).headCommit).toBe(commit);

      const stored = join(home, "credentials", server.host, "acme/private.json");
      expect((await stat(stored)).mode & 0o777).toBe(0o600);
      expect((await stat(join(home, "credentials"))).mode & 0o777).toBe(0o700);
      await rm(stored);
      const everywhere = [
        await readFile(log, "utf8"),
        JSON.stringify(other.calls),
        ...[refused, wrong].map((error) => explainError(error)),
        ...(await readAll(home)),
      ];
      expect(everywhere.length).toBeGreaterThan(10);
      const forms = [secret, encodeURIComponent(secret), btoa(`ada:${secret}`)];
      for (const form of forms) {
        expect(everywhere.filter((text) => text.includes(form))).toEqual([]);
      }
      expect(await readFile(log, "utf8")).toContain("ls-remote");
    } finally {
      await other.close();
      await rm(bin, { recursive: true, force: true });
    }
  });
});

/** The error with its causes and facts. */
function explainError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return [error.message, error.stack, JSON.stringify(error), explainError(error.cause ?? "")].join(
    "\n",
  );
}

async function readAll(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .map((entry) => readFile(join(entry.parentPath, entry.name), "latin1")),
  );
}
