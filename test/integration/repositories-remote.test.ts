// Remotes that refuse, are away, or want to know who asks.
import { readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { queryDatabase } from "../support/inventory.ts";
import {
  clone,
  cloned,
  codeOf,
  createWorktree,
  deleteRepository,
  faultOf,
  followRepository,
  readRepository,
  sendClone,
  sendCreateWorktree,
  sendSync,
  sync,
  untilRepository,
} from "../support/repositories.ts";
import { openWebSocket } from "../support/web-socket.ts";
import { dispatch, eventually, untilEnded } from "../support/workers.ts";
import { runGit } from "../support/worktree-git.ts";

let git: GitServer;
let server: FactoryServer;

beforeAll(async () => {
  git = await startGitServer();
  // Debug: what must not be in the log must not be in any of it.
  server = await startFactory({ env: { FACTORY_LOG_LEVEL: "debug" } });
});

afterAll(async () => {
  await server.dispose();
  await git.stop();
});

/** A port of this host that nobody listens on. */
async function closedPort(): Promise<number> {
  const listener = createServer();
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const address = listener.address();
  await new Promise((resolve) => listener.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

describe("a clone that fails", () => {
  test("for want of a repository tells REMOTE_NOT_FOUND, and succeeds when it is tried again", async () => {
    const name = { owner: "acme", name: "late" };
    const url = git.url("acme", "late");
    const first = await clone(server, { ...name, url });
    const failed = await untilRepository(server, name, "FAILED");
    expect(failed).toMatchObject({
      status: "FAILED",
      failureCode: "REMOTE_NOT_FOUND",
      defaultBranch: null,
      headCommit: null,
      lastSyncedAt: null,
    });
    expect(failed.error).toContain("check the url");
    const changes = followRepository(server, name, 0);
    expect((await changes.first(failed.lastSequence)).at(-1)?.repositoryChanged).toMatchObject({
      status: "FAILED",
      message: failed.error,
    });

    // It holds nothing that could be used.
    const fault = faultOf(await sendSync(server, name));
    expect(fault.extensions.code).toBe("REPOSITORY_NOT_READY");
    expect(fault.message).toContain("clone it again");
    expect(codeOf(await sendCreateWorktree(server, { ...name, branch: "x" }))).toBe(
      "REPOSITORY_NOT_READY",
    );

    const head = await git.createRepository("acme", "late");
    const second = await clone(server, { ...name, url });
    expect(second.created).toBe(false);
    expect(second.repository).toMatchObject({
      id: first.repository.id,
      status: "CLONING",
      failureCode: null,
      error: null,
    });
    expect(await untilRepository(server, name, "SYNCED", failed.lastSequence)).toMatchObject({
      status: "SYNCED",
      failureCode: null,
      error: null,
      headCommit: head,
    });
    const all = await changes.until((each) => each.at(-1)?.repositoryChanged.status === "SYNCED");
    expect(all.map(({ repositoryChanged }) => repositoryChanged.status)).toEqual(
      expect.arrayContaining(["CLONING", "FAILED", "CLONING", "SYNCED"]),
    );
    changes.end();
  });

  test("for want of a host tells REMOTE_UNREACHABLE, again at each try", async () => {
    const name = { owner: "acme", name: "away" };
    const url = `http://127.0.0.1:${String(await closedPort())}/acme/away.git`;
    await clone(server, { ...name, url });
    const failed = await untilRepository(server, name, "FAILED");
    expect(failed.failureCode).toBe("REMOTE_UNREACHABLE");
    expect((await clone(server, { ...name, url })).repository.status).toBe("CLONING");
    const again = await untilRepository(server, name, "FAILED", failed.lastSequence);
    expect(again).toMatchObject({ status: "FAILED", failureCode: "REMOTE_UNREACHABLE" });
    // It can be given up, and cloned from elsewhere.
    await deleteRepository(server, name);
    expect((await cloned(server, git, name)).status).toBe("SYNCED");
  });

  test("leaves nothing half there", async () => {
    const folder = join(server.home, "repositories", git.host, "acme");
    await clone(server, { owner: "acme", name: "nothing", url: git.url("acme", "nothing") });
    await untilRepository(server, { owner: "acme", name: "nothing" }, "FAILED");
    expect((await readdir(folder)).filter((entry) => entry.startsWith("nothing"))).toEqual([]);
  });
});

describe("a remote that lacks objects, and says so with a NUL", () => {
  /** Takes a file's content out of the remote's default branch. */
  async function damage(name: string, file: string): Promise<void> {
    const id = await git.git("acme", name, "rev-parse", `main:${file}`);
    const objects = join(git.folder, "acme", `${name}.git`, "objects");
    await rm(join(objects, id.slice(0, 2), id.slice(2)));
  }

  test("fails a clone, which can be deleted", async () => {
    const name = { owner: "acme", name: "damaged" };
    await git.createRepository("acme", "damaged", { files: { "lost.txt": "lost\n" } });
    await damage("damaged", "lost.txt");
    await clone(server, { ...name, url: git.url("acme", "damaged") });
    const failed = await untilRepository(server, name, "FAILED");
    expect(failed.failureCode).toBe("REMOTE_UNREACHABLE");
    expect(failed.error).toContain("repository corruption on the remote side");
    await deleteRepository(server, name);
  });

  test("fails a fetch and a dispatch with the reason", async () => {
    const name = { owner: "acme", name: "damaged-later" };
    await cloned(server, git, name);
    await git.pushCommit("acme", name.name, "main", { "lost.txt": "lost\n" });
    await damage(name.name, "lost.txt");
    expect(codeOf(await sendSync(server, name))).toBe("REMOTE_UNREACHABLE");
    expect(await readRepository(server, name)).toMatchObject({ status: "FAILED" });
    const { id } = await dispatch(server, {
      parentSession: "damaged",
      repository: name,
      task: "true",
    });
    const ended = await untilEnded(server, id);
    expect(ended).toMatchObject({ status: "FAILED", failureCode: "REMOTE_UNREACHABLE" });
  });
});

test("urls that differ by a final slash or .git alone are one remote's", async () => {
  const name = { owner: "acme", name: "spelled" };
  await cloned(server, git, name);
  const url = git.url("acme", "spelled");
  for (const other of [`${url}/`, url.replace(/\.git$/, ""), url.replace(/\.git$/, "/")]) {
    expect((await clone(server, { ...name, url: other })).created).toBe(false);
  }
  const answer = await sendClone(server, { ...name, url: git.url("acme", "other") });
  expect(codeOf(answer)).toBe("REPOSITORY_CONFLICT");
});

test("a remote's default branch that doesn't exist is no empty repository", async () => {
  const name = { owner: "acme", name: "headless" };
  const tip = await git.createRepository("acme", "headless", { defaultBranch: "develop" });
  await git.git("acme", "headless", "symbolic-ref", "HEAD", "refs/heads/gone");
  await clone(server, { ...name, url: git.url("acme", "headless") });
  const synced = await untilRepository(server, name, "SYNCED");
  expect(synced.defaultBranch).toBeNull();
  const refused = faultOf(await sendCreateWorktree(server, { ...name, branch: "topic" }));
  expect(refused.extensions.code).toBe("BASE_NOT_FOUND");
  expect(refused.message).toContain("develop");
  const topic = { ...name, branch: "topic", base: "develop" };
  expect((await createWorktree(server, topic)).worktree.baseCommit).toBe(tip);
});

describe("a fetch that fails", () => {
  test("is told to the caller and in the row, and what was there can still be used", async () => {
    const name = { owner: "acme", name: "moved" };
    const { headCommit, lastSyncedAt } = await cloned(server, git, name);
    const folder = join(git.folder, "acme", "moved.git");
    await rename(folder, `${folder}.away`);
    expect(codeOf(await sendSync(server, name))).toBe("REMOTE_NOT_FOUND");
    const failed = await readRepository(server, name);
    expect(failed).toMatchObject({
      status: "FAILED",
      failureCode: "REMOTE_NOT_FOUND",
      headCommit,
      lastSyncedAt,
    });
    expect(codeOf(await sendCreateWorktree(server, { ...name, branch: "after" }))).toBe(
      "REMOTE_NOT_FOUND",
    );
    // Cloning what is there already returns it as it is.
    const again = await clone(server, { ...name, url: git.url("acme", "moved") });
    expect(again).toEqual({ created: false, repository: await readRepository(server, name) });

    await rename(`${folder}.away`, folder);
    const { repository, updated } = await sync(server, name);
    expect(updated).toBe(false);
    expect(repository).toMatchObject({ status: "SYNCED", failureCode: null, error: null });
  });

  test("fails for all who share it", async () => {
    const name = { owner: "acme", name: "together" };
    await cloned(server, git, name);
    const folder = join(git.folder, "acme", "together.git");
    await rename(folder, `${folder}.away`);
    const answers = await Promise.all(Array.from({ length: 5 }, () => sendSync(server, name)));
    expect(answers.map(codeOf)).toEqual(Array.from({ length: 5 }, () => "REMOTE_NOT_FOUND"));
  });
});

describe("a client that leaves in the middle of a fetch", () => {
  const mutation = `mutation { syncRepository(input: { owner: "acme", name: "left" }) { updated } }`;
  const json = { "content-type": "application/json" };
  const overHttp = (path: string, body: object) => () => {
    const leaving = new AbortController();
    const init = { method: "POST", headers: json, body: JSON.stringify(body) };
    const asked = server.fetch(path, { ...init, signal: leaving.signal });
    asked.catch(() => undefined);
    return () => leaving.abort();
  };
  const overWebSocket = () => {
    const client = openWebSocket(server);
    const ignored = { next: () => undefined, error: () => undefined, complete: () => undefined };
    client.subscribe({ query: mutation }, ignored);
    return () => client.terminate();
  };

  test.each([
    ["GraphQL", overHttp("/graphql", { query: mutation })],
    ["REST", overHttp("/api/factory/repos/acme/left/sync", {})],
    ["WebSocket", overWebSocket],
  ])("over %s ends it, and is nobody's mistake", async (_over, ask) => {
    const name = { owner: "acme", name: "left" };
    if ((await readRepository(server, name)) === null) await cloned(server, git, name);
    await git.pushCommit("acme", "left", "main", { "x.txt": `${crypto.randomUUID()}\n` });
    const held = git.hold(/^\/acme\/left\.git\/git-upload-pack/);
    try {
      const leave = ask();
      await held.arrived;
      leave();
      await untilRepository(server, name, "SYNCED");
    } finally {
      held.release();
    }
    // What came before is in the log before it.
    const later = (await server.fetch("/healthz")).headers.get("x-request-id") ?? "";
    await eventually(() => server.log.some((line) => line.includes(later)));
    expect(server.log.filter((line) => /"level":(?:[456]0)/.test(line))).toEqual([]);
    expect((await sync(server, name)).updated).toBe(true);
  });
});

const secret = "hunter2-p@ss/word:%41";
const encoded = encodeURIComponent(secret);

describe("a private repository", () => {
  test("without credentials fails within seconds, without anybody being asked", async () => {
    const name = { owner: "acme", name: "closed" };
    await git.createRepository("acme", "closed");
    git.requireAuth("acme", "closed", { username: "ada", password: secret });
    const started = performance.now();
    await clone(server, { ...name, url: git.url("acme", "closed") });
    const failed = await untilRepository(server, name, "FAILED");
    expect(performance.now() - started).toBeLessThan(10_000);
    expect(failed.failureCode).toBe("REMOTE_AUTH_FAILED");
    expect(failed.error).toContain("credentials");

    const wrong = `http://ada:wrong-${encoded}@${git.host}/acme/closed.git`;
    await clone(server, { ...name, url: wrong });
    const again = await untilRepository(server, name, "FAILED", failed.lastSequence);
    expect(again.failureCode).toBe("REMOTE_AUTH_FAILED");
    expect(JSON.stringify(again)).not.toContain("wrong-");

    // The same url with the right ones: the same repository, tried again.
    const right = `http://ada:${encoded}@${git.host}/acme/closed.git`;
    const { created, repository } = await clone(server, { ...name, url: right });
    expect(created).toBe(false);
    expect(repository.url).toBe(git.url("acme", "closed"));
    await untilRepository(server, name, "SYNCED", again.lastSequence);
  });

  test("is fetched with the credentials of its url ever after", async () => {
    const name = { owner: "acme", name: "private" };
    await git.createRepository("acme", "private");
    git.requireAuth("acme", "private", { username: "ada", password: secret });
    const url = `http://ada:${encoded}@${git.host}/acme/private.git`;
    const { repository } = await clone(server, { ...name, url });
    expect(repository.url).toBe(git.url("acme", "private"));
    await untilRepository(server, name, "SYNCED");
    const pushed = await git.pushCommit("acme", "private", "main", { "x.txt": "x\n" });
    expect((await sync(server, name)).repository.headCommit).toBe(pushed);
    const { worktree } = await createWorktree(server, { ...name, branch: "topic" });
    expect(worktree.baseCommit).toBe(pushed);
    // Without the url, or without what is secret in it, it is the same repository.
    const again = await clone(server, { ...name, url: git.url("acme", "private") });
    expect(again.created).toBe(false);
    await git.pushCommit("acme", "private", "main", { "y.txt": "y\n" });
    expect((await sync(server, name)).updated).toBe(true);
  });

  test("that changed its password takes the new one from another clone, and is synced again", async () => {
    const name = { owner: "acme", name: "rotated" };
    await git.createRepository("acme", "rotated");
    git.requireAuth("acme", "rotated", { username: "ada", password: "old-password-1" });
    await clone(server, { ...name, url: `http://ada:old-password-1@${git.host}/acme/rotated.git` });
    await untilRepository(server, name, "SYNCED");
    git.requireAuth("acme", "rotated", { username: "ada", password: "new-password-2" });
    expect(codeOf(await sendSync(server, name))).toBe("REMOTE_AUTH_FAILED");
    await clone(server, { ...name, url: `http://ada:new-password-2@${git.host}/acme/rotated.git` });
    expect((await sync(server, name)).repository.status).toBe("SYNCED");
  });
});

/** Rows of every table, the queue's and Prisma's own included. */
async function readWholeDatabase(): Promise<string> {
  const tables = await queryDatabase<{ name: string }>(
    server,
    `SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.tables
     WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')`,
  );
  const texts = await Promise.all(
    tables.map(async ({ name }) => {
      const rows = await queryDatabase<{ line: string }>(
        server,
        `SELECT t::text AS line FROM ${name} t`,
      );
      return rows.map(({ line }) => line).join("\n");
    }),
  );
  return texts.join("\n");
}

async function filesThatHold(folder: string, texts: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const content = await readFile(path, "latin1");
    if (texts.some((text) => content.includes(text))) found.push(path);
  }
  return found;
}

/** Of all processes that there are. */
async function readCommandLines(): Promise<string> {
  const pids = (await readdir("/proc")).filter((entry) => /^\d+$/.test(entry));
  const lines = await Promise.all(
    // One that has ended meanwhile has none.
    pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")),
  );
  return lines.join("\n");
}

describe("credentials in a url", () => {
  test("are in no row, no argument of any process, no log line, no error and no configuration", async () => {
    const name = { owner: "acme", name: "guarded" };
    const password = "correct-horse-battery";
    const wrong = "wrong-horse-battery";
    await git.createRepository("acme", "guarded");
    git.requireAuth("acme", "guarded", { username: "adalovelace", password });
    const url = (as: string) => `http://adalovelace:${as}@${git.host}/acme/guarded.git`;
    const secrets = [password, wrong, "adalovelace"];
    const texts = [
      ...secrets,
      // As HTTP has them.
      Buffer.from(`adalovelace:${password}`).toString("base64"),
      Buffer.from(`adalovelace:${wrong}`).toString("base64"),
    ];
    const expectNone = (text: string) => {
      for (const hidden of texts) expect(text.includes(hidden)).toBe(false);
    };

    await clone(server, { ...name, url: url(wrong) });
    const failed = await untilRepository(server, name, "FAILED");
    expectNone(JSON.stringify(failed));

    const held = git.hold(/^\/acme\/guarded\.git\/git-upload-pack/);
    const { repository } = await clone(server, { ...name, url: url(password) });
    await held.arrived;
    // While git talks to the remote, and has the password.
    const commandLines = await readCommandLines();
    expect(commandLines).toContain("git");
    expectNone(commandLines);
    held.release();
    await untilRepository(server, name, "SYNCED", failed.lastSequence);
    expectNone(JSON.stringify(repository));
    const { worktree } = await createWorktree(server, { ...name, branch: "topic" });
    // What a worker's own git knows of the remote.
    expect(await runGit(worktree.path, "remote", "get-url", "origin")).toBe(
      git.url("acme", "guarded"),
    );
    expectNone(await runGit(worktree.path, "config", "--list"));

    expectNone(await readWholeDatabase());
    expectNone(server.log.join("\n"));
    expect(server.log.join("\n")).toContain("a call of git");

    const holding = await filesThatHold(server.home, texts);
    expect(holding).toEqual([join(server.home, "credentials", git.host, "acme", "guarded.json")]);
    expect((await stat(holding[0] ?? "")).mode & 0o777).toBe(0o600);
    expect((await stat(join(server.home, "credentials"))).mode & 0o777).toBe(0o700);

    await deleteRepository(server, { ...name, force: true });
    expect(await filesThatHold(server.home, texts)).toEqual([]);
  });

  test("are shown in no refusal of a url that holds them", async () => {
    for (const url of [
      `ext::sh -c 'echo correct-horse'`,
      `ftp://ada:correct-horse@example.org/a/b.git`,
      `https://ada:correct-horse@exa mple.org/a/b.git`,
      `ssh://ada:correct-horse@example.org/a/b.git`,
      `https://ada:correct-horse%zz@example.org/a/b.git`,
      `https://ada:correct-horse@example.org/`,
      `https://ada:correct-horse@example.org/a/b.git?x`,
    ]) {
      const answer = await server.send(
        `mutation ($input: CloneRepositoryInput!) { cloneRepository(input: $input) { created } }`,
        { input: { owner: "acme", name: "refused", url } },
      );
      const fault = faultOf(answer);
      expect(fault.extensions.code).toBe("BAD_INPUT");
      expect(JSON.stringify(fault)).not.toContain("correct-horse");
    }
    expect(server.log.join("\n")).not.toContain("correct-horse");
  });
});
