// The REST routes, as a script meets them. Every answer is held against the OpenAPI document: see support/rest.ts.
import { mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { Validator } from "@seriousme/openapi-schema-validator";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { errorCodes } from "../../src/errors.ts";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startMember } from "../support/family.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { queryDatabase } from "../support/inventory.ts";
import { endSchedules, runMaintenance } from "../support/maintenance.ts";
import { cloned, untilRepository } from "../support/repositories.ts";
import { openRest, type Rest, type RestAnswer, type RestOptions } from "../support/rest.ts";
import {
  cancel,
  createGate,
  eventually,
  untilEnded,
  untilPrinted,
  untilStatus,
} from "../support/workers.ts";

let git: GitServer;
let server: FactoryServer;
let rest: Rest;
let folder: string;
const app = "/api/factory/repos/acme/app";
const dispatchPath = "/api/agents/sessions/dispatch-worker";
/** What a dispatch needs at least. */
const work = { parentSession: "me", agent: "shell", task: "true", owner: "acme", repo: "app" };

beforeAll(async () => {
  git = await startGitServer();
  folder = await mkdtemp(join(tmpdir(), "factory-rest-"));
  const agents = join(folder, "agents.json");
  const missing = { command: [join(folder, "nothing")], protocol: "plain" };
  await writeFile(agents, JSON.stringify({ agents: { missing } }));
  server = await startFactory({
    git,
    env: {
      FACTORY_AGENTS: agents,
      FACTORY_MAX_CHILDREN: "1",
      FACTORY_RETENTION_DAYS: "7",
      // A worker that was cancelled still has the time to say something.
      FACTORY_KILL_GRACE: "20",
    },
  });
  await endSchedules(server);
  await cloned(server, git, { owner: "acme", name: "app" });
  await git.pushCommit("acme", "app", "taken", { "taken.txt": "1\n" });
  rest = await openRest(server);
});

afterAll(async () => {
  await server.dispose();
  await git.stop();
  await rm(folder, { recursive: true });
});

function expectRefusal(answer: RestAnswer, code: keyof typeof errorCodes, ...words: string[]) {
  expect(answer).toMatchObject({ status: errorCodes[code], body: { error: { code } } });
  const { message } = answer.body!["error"] as { message: string };
  for (const word of words) expect(message).toContain(word);
}

async function dispatch(more: object, options: RestOptions = {}): Promise<string> {
  const { status, body } = await rest.post(dispatchPath, { ...work, ...more }, options);
  expect(status).toBe(202);
  return String(body!["name"]);
}

function worktreePath(branch: string): string {
  return `${app}/worktrees/${encodeURIComponent(branch)}`;
}

describe("the document", () => {
  test("is valid OpenAPI 3.1", async () => {
    expect(rest.document).toMatchObject({ openapi: expect.stringMatching(/^3\.1\.\d$/) });
    expect(await new Validator().validate({ ...rest.document })).toEqual({ valid: true });
  });

  test("holds the routes of the contract", () => {
    const routes = Object.entries(rest.document.paths).flatMap(([path, operations]) =>
      Object.entries(operations).map(([method, { responses }]) => {
        const codes = Object.keys(responses).filter((status) => status.startsWith("2"));
        return `${method.toUpperCase()} ${path} ${codes.join(" ")}`;
      }),
    );
    expect(routes.toSorted()).toEqual(
      [
        "POST /api/factory/repos 200 202",
        "GET /api/factory/repos 200",
        "GET /api/factory/repos/{owner}/{repo} 200",
        "POST /api/factory/repos/{owner}/{repo}/sync 200",
        "DELETE /api/factory/repos/{owner}/{repo} 204",
        "GET /api/factory/repos/{owner}/{repo}/worktrees 200",
        "POST /api/factory/repos/{owner}/{repo}/worktrees/{branch} 200 201",
        "GET /api/factory/repos/{owner}/{repo}/worktrees/{branch} 200",
        "DELETE /api/factory/repos/{owner}/{repo}/worktrees/{branch} 204",
        "POST /api/agents/sessions/dispatch-worker 202",
        "GET /api/agents/sessions/{name} 200",
        "GET /api/agents/sessions/{name}/workers 200",
        "POST /api/agents/sessions/{name}/cancel 200",
        "POST /api/agents/sessions/{name}/allow-host 200",
        "GET /api/agents/sessions/{name}/events 200 204",
        "GET /api/agents/sessions/{name}/workers/events 200",
      ].toSorted(),
    );
  });

  test("tells of every field that a dispatch takes", () => {
    const { requestBody } = rest.document.paths[dispatchPath]!["post"] as unknown as {
      requestBody: { content: { "application/json": { schema: { properties: object } } } };
    };
    const { properties } = requestBody.content["application/json"].schema;
    expect(Object.keys(properties)).toEqual(
      expect.arrayContaining([
        "parentSession",
        "task",
        "issue",
        "branch",
        "agent",
        "owner",
        "repo",
        "base",
        "priority",
        "timeoutSeconds",
        "cleanup",
        "idempotencyKey",
      ]),
    );
  });
});

describe("repositories", () => {
  test("are cloned, read, synced and deleted", async () => {
    await git.createRepository("acme", "short");
    const body = { owner: "acme", repo: "short" };
    const begun = await rest.post("/api/factory/repos", body);
    expect(begun).toMatchObject({
      status: 202,
      body: { owner: "acme", repo: "short", name: "short", nameWithOwner: "acme/short" },
    });
    const path = begun.headers.get("location")!;
    expect(path).toBe("/api/factory/repos/acme/short");
    await untilRepository(server, { owner: "acme", name: "short" }, "SYNCED");
    expect(await rest.get(path)).toMatchObject({
      status: 200,
      body: { status: "SYNCED", synced: true, branch: "main", defaultBranch: "main" },
    });
    const again = await rest.post("/api/factory/repos", { ...body, url: git.url("acme", "short") });
    expect(again).toMatchObject({ status: 200, body: { synced: true } });
    const id = await git.pushCommit("acme", "short", "main", { "new.txt": "1\n" });
    expect(await rest.post(`${path}/sync`)).toMatchObject({
      status: 200,
      body: { synced: true, updated: true, headCommit: id },
    });
    expect(await rest.post(`${path}/sync`, {})).toMatchObject({
      status: 200,
      body: { updated: false },
    });
    expect(await rest.delete(path)).toMatchObject({ status: 204, body: undefined });
    expectRefusal(await rest.get(path), "REPOSITORY_NOT_FOUND", "acme/short");
    expectRefusal(await rest.post(`${path}/sync`), "REPOSITORY_NOT_FOUND");
    expectRefusal(await rest.delete(path), "REPOSITORY_NOT_FOUND");
    expectRefusal(await rest.get(`${path}/worktrees`), "REPOSITORY_NOT_FOUND");
  });

  test("are not cloned twice under one name from two places, and not used before they are there", async () => {
    await git.createRepository("acme", "held");
    const held = git.hold(/\/held\.git\//);
    const body = { owner: "acme", repo: "held" };
    expect((await rest.post("/api/factory/repos", body)).status).toBe(202);
    const other = { ...body, url: git.url("acme", "app") };
    expectRefusal(await rest.post("/api/factory/repos", other), "REPOSITORY_CONFLICT");
    const path = "/api/factory/repos/acme/held";
    expectRefusal(await rest.post(`${path}/worktrees/x`), "REPOSITORY_NOT_READY");
    expect((await rest.get(path)).body).toMatchObject({ status: "CLONING", synced: false });
    held.release();
    await untilRepository(server, { owner: "acme", name: "held" }, "SYNCED");
  });

  test("are synced from remotes that are gone, closed or away, and say which", async () => {
    const away = await startGitServer();
    await cloned(server, away, { owner: "acme", name: "away" });
    await cloned(server, git, { owner: "acme", name: "closed" });
    await cloned(server, git, { owner: "acme", name: "gone" });
    await away.stop();
    git.requireAuth("acme", "closed", { username: "ada", password: "secret-1" });
    await rename(join(git.folder, "acme", "gone.git"), join(git.folder, "acme", "moved.git"));
    const sync = (name: string) => rest.post(`/api/factory/repos/acme/${name}/sync`);
    expectRefusal(await sync("away"), "REMOTE_UNREACHABLE");
    expectRefusal(await sync("closed"), "REMOTE_AUTH_FAILED");
    expectRefusal(await sync("gone"), "REMOTE_NOT_FOUND");
    expect((await rest.get("/api/factory/repos/acme/gone")).body).toMatchObject({
      status: "FAILED",
      synced: false,
      failureCode: "REMOTE_NOT_FOUND",
    });
  });

  test("are listed page by page, to the last", async () => {
    const { body } = await rest.get("/api/factory/repos");
    const all = body!["repos"] as { repo: string }[];
    expect(all.length).toBeGreaterThan(3);
    expect(body).not.toHaveProperty("next");
    const found: unknown[] = [];
    let after = "";
    for (let page = 0; page < all.length; page += 1) {
      const answer = await rest.get(`/api/factory/repos?first=1${after}`);
      found.push(...(answer.body!["repos"] as unknown[]));
      const next = answer.body!["next"] as string | undefined;
      expect(next === undefined).toBe(page === all.length - 1);
      after = `&after=${encodeURIComponent(next ?? "")}`;
    }
    expect(found).toEqual(all);
  });
});

describe("worktrees", () => {
  test("are created, found, listed and deleted, whatever their branch's name holds", async () => {
    const branches = ["feat/login", "日本/größe", "50%", "a%2Fb", "a+b&c=$(id)#"];
    for (const branch of branches) {
      const path = worktreePath(branch);
      const made = await rest.post(path);
      expect(made).toMatchObject({
        status: 201,
        body: {
          branch,
          feature: branch,
          status: "READY",
          worker: null,
          repositoryName: "acme/app",
        },
      });
      expect(made.headers.get("location")).toBe(path);
      expect(await rest.post(path, { base: "main" })).toMatchObject({
        status: 200,
        body: { branch },
      });
      expect(await rest.get(path)).toMatchObject({
        status: 200,
        body: { branch, changedFiles: 0, commitsAhead: 0, activeWorker: null },
      });
    }
    const first = await rest.get(`${app}/worktrees?first=2`);
    const next = encodeURIComponent(String(first.body!["next"]));
    const second = await rest.get(`${app}/worktrees?first=50&after=${next}`);
    const listed = [first, second].flatMap(
      ({ body }) => body!["worktrees"] as { branch: string }[],
    );
    expect(listed.map(({ branch }) => branch)).toEqual(branches);
    expect(second.body).not.toHaveProperty("next");

    for (const branch of branches) {
      const path = `${worktreePath(branch)}?deleteBranch=true`;
      expect((await rest.delete(path)).status).toBe(204);
      expectRefusal(await rest.get(worktreePath(branch)), "WORKTREE_NOT_FOUND", branch);
    }
    expectRefusal(await rest.delete(worktreePath("feat/login")), "WORKTREE_NOT_FOUND");
    // What isn't encoded is another path.
    expectRefusal(await rest.get(`${app}/worktrees/feat/login`), "NOT_FOUND");
  });

  test("keep what would be lost, and what is in use", async () => {
    const gate = await createGate();
    const task = `echo 1 >new.txt; echo here; ${gate.wait}`;
    const name = await dispatch({ task, branch: "busy" });
    await untilPrinted(server, name, "here");
    const path = worktreePath("busy");
    expect((await rest.get(path)).body).toMatchObject({
      status: "RUNNING",
      worker: name,
      activeWorker: { name, status: "RUNNING" },
      changedFiles: 1,
    });
    expectRefusal(await rest.delete(`${path}?force=true`), "WORKTREE_IN_USE", name);
    expectRefusal(await rest.delete(`${app}?force=true`), "REPOSITORY_IN_USE");
    await gate.open();
    await untilEnded(server, name);
    expectRefusal(await rest.delete(path), "WORKTREE_DIRTY", "1 changed");
    expectRefusal(await rest.delete(`${path}?force=false`), "WORKTREE_DIRTY");
    expectRefusal(await rest.delete(app), "REPOSITORY_IN_USE");
    expect((await rest.delete(`${path}?force=true&deleteBranch=true`)).status).toBe(204);
  });

  test("are refused where the branch or its base can't be had", async () => {
    const create = (branch: string, base?: string) =>
      rest.post(worktreePath(branch), base === undefined ? undefined : { base });
    await create("one/two");
    expectRefusal(await create("one"), "BRANCH_CONFLICT", "one/two");
    expectRefusal(await create("three", "no-such-ref"), "BASE_NOT_FOUND", "no-such-ref");
    expectRefusal(await create("taken", "main"), "BRANCH_EXISTS", "taken");
    // A file's name that no file system takes.
    const run = (...commandLine: string[]) => git.git("acme", "app", ...commandLine);
    const file = await run("rev-parse", "taken:taken.txt");
    await run("update-index", "--add", "--cacheinfo", `100644,${file},${"x".repeat(300)}`);
    const commit = await run("commit-tree", "-m", "Long", await run("write-tree"));
    await run("update-ref", "refs/heads/long", commit);
    expectRefusal(await create("long"), "HOST_FAILURE", "File name too long");
    await rest.delete(`${worktreePath("long")}?force=true`);
    await rest.delete(`${worktreePath("one/two")}?deleteBranch=true`);
  });

  test("are not read while their runner is away", async () => {
    await rest.post(worktreePath("held"));
    const [own] = await queryDatabase<{ id: string }>(server, `SELECT id FROM "Runner"`);
    await queryDatabase(
      server,
      `WITH away AS (
         INSERT INTO "Runner" (id, name, host, version, capacity)
         VALUES (gen_random_uuid(), 'away-1', 'away-1', '1', 1) RETURNING id
       )
       UPDATE "Worktree" SET "runnerId" = away.id FROM away WHERE branch = 'held'`,
    );
    expectRefusal(await rest.get(worktreePath("held")), "RUNNER_UNAVAILABLE", "away-1");
    // A list needs no runner.
    const { body } = await rest.get(`${app}/worktrees`);
    expect(body!["worktrees"]).toContainEqual(
      expect.objectContaining({ branch: "held", runner: "away-1" }),
    );
    await queryDatabase(server, `UPDATE "Worktree" SET "runnerId" = $1`, [own!.id]);
    expect((await rest.delete(`${worktreePath("held")}?deleteBranch=true`)).status).toBe(204);
  });
});

describe("sessions", () => {
  test("are dispatched, read and listed, with their commits when they have ended", async () => {
    const gate = await createGate();
    const task = `echo 1 >1.txt; git add .; git commit -qm One; ${gate.wait}`;
    const dispatched = await rest.post(dispatchPath, {
      ...work,
      parentSession: "lister",
      task,
      issue: "https://github.com/acme/app/issues/42",
      base: "main",
      priority: 3,
      timeoutSeconds: 600,
      cleanup: "ON_SUCCESS",
    });
    expect(dispatched).toMatchObject({
      status: 202,
      body: {
        created: true,
        status: "QUEUED",
        parentSession: "lister",
        branch: "issue-42",
        repositoryName: "acme/app",
        task,
        base: "main",
        priority: 3,
        timeoutSeconds: 600,
        cleanup: "ON_SUCCESS",
      },
    });
    const name = String(dispatched.body!["name"]);
    const path = `/api/agents/sessions/${name}`;
    expect(dispatched.headers.get("location")).toBe(path);
    await untilStatus(server, name, "RUNNING");
    expect((await rest.get(path)).body).toMatchObject({ status: "RUNNING", commits: null });
    await gate.open();
    await untilEnded(server, name);
    const read = await rest.get(path);
    expect(read).toMatchObject({
      status: 200,
      body: { name, status: "SUCCEEDED", exitCode: 0, commits: [{ subject: "One" }] },
    });
    // By its global id too.
    const id = encodeURIComponent(String(read.body!["id"]));
    expect((await rest.get(`/api/agents/sessions/${id}`)).body).toEqual(read.body);

    expect(await rest.get("/api/agents/sessions/lister")).toMatchObject({
      status: 200,
      body: { name: "lister", lastSequence: 4, workerCounts: { total: 1, succeeded: 1 } },
    });
    const { commits: _commits, ...listed } = read.body!;
    expect(await rest.get("/api/agents/sessions/lister/workers")).toMatchObject({
      status: 200,
      body: { workers: [listed], counts: { total: 1, succeeded: 1, running: 0 } },
    });
    // A worker that has dispatched none has none.
    expect((await rest.get(`${path}/workers`)).body).toMatchObject({
      workers: [],
      counts: { total: 0 },
    });
    await rest.delete(`${worktreePath("issue-42")}?force=true&deleteBranch=true`);
  });

  test("a parent's name may hold what it likes", async () => {
    const parentSession = "a b/c?d#e%2F ü";
    const name = await dispatch({ parentSession });
    const path = `/api/agents/sessions/${encodeURIComponent(parentSession)}`;
    expect((await rest.get(path)).body).toMatchObject({ name: parentSession });
    expect((await rest.get(`${path}/workers`)).body).toMatchObject({ workers: [{ name }] });
    await untilEnded(server, name);
  });

  test("are listed page by page", async () => {
    const names = [];
    for (let count = 0; count < 3; count += 1) {
      names.push(await dispatch({ parentSession: "pages" }));
    }
    const path = "/api/agents/sessions/pages/workers";
    const first = await rest.get(`${path}?first=2`);
    const next = encodeURIComponent(String(first.body!["next"]));
    const second = await rest.get(`${path}?first=2&after=${next}`);
    const workers = [first, second].map(({ body }) => body!["workers"] as { name: string }[]);
    expect(workers.map((page) => page.map(({ name }) => name))).toEqual([
      names.slice(0, 2),
      names.slice(2),
    ]);
    expect(second.body).toMatchObject({ counts: { total: 3 } });
    expect(second.body).not.toHaveProperty("next");
    await Promise.all(names.map((name) => untilEnded(server, name)));
  });

  test("with the same idempotencyKey are one, and with another input none", async () => {
    const keyed = { ...work, parentSession: "keys", idempotencyKey: "once" };
    const answers = await Promise.all([1, 2, 3].map(() => rest.post(dispatchPath, keyed)));
    const names = new Set(answers.map(({ body }) => body!["name"]));
    expect(names.size).toBe(1);
    expect(answers.filter(({ body }) => body!["created"] === true)).toHaveLength(1);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
    const other = { ...keyed, task: "false" };
    expectRefusal(await rest.post(dispatchPath, other), "IDEMPOTENCY_MISMATCH", "once");
    await untilEnded(server, String([...names][0]));
  });

  test("are cancelled, with the reason told", async () => {
    const gate = await createGate();
    const name = await dispatch({ task: gate.wait });
    await untilStatus(server, name, "RUNNING");
    const path = `/api/agents/sessions/${name}/cancel`;
    const reason = "not needed\nany more";
    expect(await rest.post(path, { reason })).toMatchObject({ status: 200, body: { name } });
    expect(await untilEnded(server, name)).toMatchObject({ status: "CANCELLED" });
    expect((await rest.get(`/api/agents/sessions/${name}`)).body).toMatchObject({
      status: "CANCELLED",
      statusReason: expect.stringContaining("not needed"),
    });
    expect(await rest.post(path)).toMatchObject({ status: 200, body: { status: "CANCELLED" } });
    await gate.dispose();
  });

  test("are allowed a host while they run, and their repository at any time", async () => {
    const gate = await createGate();
    const name = await dispatch({ task: gate.wait, network: { allow: ["one.example"] } });
    const path = `/api/agents/sessions/${name}/allow-host`;
    const host = { host: "two.example:8443" };
    expect(await rest.post(path, host)).toMatchObject({ status: 200, body: { name } });
    expectRefusal(await rest.post(path, { host: "*" }), "BAD_INPUT", "OPEN");
    await gate.open();
    await untilEnded(server, name);
    expectRefusal(await rest.post(path, host), "WORKER_NOT_RUNNING", name);
    expect(await rest.post(path, { ...host, forRepository: true })).toMatchObject({ status: 200 });
    await gate.dispose();
  });

  test("that don't exist are not found, and agents that can't are refused", async () => {
    for (const path of ["", "/workers", "/events", "/workers/events"]) {
      const answer = await rest.get(`/api/agents/sessions/worker-99999${path}`);
      expectRefusal(answer, "WORKER_NOT_FOUND", "worker-99999");
    }
    expectRefusal(await rest.get("/api/agents/sessions/nobody"), "NOT_FOUND", "nobody");
    expectRefusal(await rest.get("/api/agents/sessions/nobody/workers"), "NOT_FOUND");
    expectRefusal(await rest.post("/api/agents/sessions/nobody/cancel"), "WORKER_NOT_FOUND");
    const refuse = async (more: object) => rest.post(dispatchPath, { ...work, ...more });
    expectRefusal(await refuse({ parentSession: "worker-99999" }), "WORKER_NOT_FOUND");
    expectRefusal(await refuse({ agent: "nothing" }), "AGENT_UNKNOWN", "nothing");
    expectRefusal(await refuse({ agent: "missing" }), "AGENT_UNAVAILABLE", "missing");
    expectRefusal(await refuse({ maxTurns: 3 }), "NOT_SUPPORTED", "maxTurns");
  });

  test("are followed from a sequence that there is, and not from others", async () => {
    const name = await dispatch({ parentSession: "follow", task: "echo 1" });
    await untilEnded(server, name);
    const path = `/api/agents/sessions/${name}/events`;
    const stream = await rest.follow(`${path}?after=0`);
    expect((await stream.take(1))[0]).toMatchObject({ id: 1, data: { status: "QUEUED" } });
    stream.leave();
    const workers = await rest.follow("/api/agents/sessions/follow/workers/events?after=0");
    expect((await workers.take(1))[0]).toMatchObject({ id: 1, data: { worker: { name } } });
    workers.leave();
    const ahead = await rest.get(`${path}?after=1000`);
    expectRefusal(ahead, "CURSOR_AHEAD", "1000");
    expect(ahead.body).toMatchObject({ error: { lastSequence: expect.any(Number) } });

    const past = `- interval '8 days'`;
    await queryDatabase(server, `UPDATE "Event" SET at = at ${past}`);
    await queryDatabase(server, `UPDATE "WorkerSession" SET "finishedAt" = "finishedAt" ${past}`);
    await runMaintenance(server, "RETENTION");
    const expired = await rest.get(`${path}?after=1`);
    expectRefusal(expired, "EVENTS_EXPIRED", "no longer kept");
    expect(expired.body).toMatchObject({ error: { firstSequence: expect.any(Number) } });
  });
});

describe("what is malformed", () => {
  const post = (body: unknown, headers?: Record<string, string>) =>
    rest.post("/api/factory/repos", body, headers === undefined ? {} : { headers });

  test("is refused as a body, and told what it should be", async () => {
    expectRefusal(await post("{"), "BAD_INPUT", "JSON");
    expectRefusal(await post("[]"), "BAD_INPUT", "object");
    expectRefusal(await post("null"), "BAD_INPUT", "object");
    expectRefusal(await post(`"x"`), "BAD_INPUT", "object");
    expectRefusal(await post("[".repeat(100_000)), "BAD_INPUT", "64 levels");
    expectRefusal(await post(undefined), "BAD_INPUT", "owner", "repo", "missing");
    const latin = new Blob([Buffer.from(`{"owner":"gr\xf6\xdfe"}`, "latin1")]);
    expectRefusal(await post(latin), "BAD_INPUT", "UTF-8");
    for (const type of [
      "text/plain",
      "application/x-www-form-urlencoded",
      "application/jsonx",
      "",
    ]) {
      const answer = await post(JSON.stringify({ owner: "a", repo: "b" }), {
        "content-type": type,
      });
      expectRefusal(answer, "BAD_INPUT", "Content-Type: application/json");
    }
    const large = await post({ owner: "a", repo: "b", url: "x".repeat(4 * 1024 * 1024) });
    expectRefusal(large, "BAD_INPUT", "4 MiB");
    const upper = { "content-type": "Application/JSON; charset=utf-8" };
    expectRefusal(await post({ owner: "a", repo: ".." }, upper), "BAD_INPUT", "repo");
  });

  test.each([
    ["/api/factory/repos", { owner: 5, repo: "b" }, "owner"],
    ["/api/factory/repos", { owner: "a" }, "repo is missing"],
    ["/api/factory/repos", { owner: "a", repo: null }, "repo"],
    ["/api/factory/repos", { owner: "a", repo: "b", nonsense: 1 }, "nonsense"],
    ["/api/factory/repos", { owner: "a", repo: "b", name: "b" }, "name: there is no such field"],
    ["/api/factory/repos", JSON.parse(`{"owner":"a","repo":"b","__proto__":{}}`), "__proto__"],
    ["/api/factory/repos", { owner: "a/b", repo: "c" }, "owner"],
    ["/api/factory/repos", { owner: "a", repo: "b.git" }, "repo"],
    ["/api/factory/repos", { owner: "a", repo: "b\0" }, "repo"],
    ["/api/factory/repos", { owner: "a", repo: "b", url: "ext::sh" }, "url"],
    [`${app}/sync`, { force: true }, "force"],
    [`${app}/worktrees/x`, { base: ["main"] }, "base"],
    [`${app}/worktrees/x`, { base: "a..b" }, "base"],
    [`${app}/worktrees/x`, { branch: "x" }, "branch"],
    [`${app}/worktrees/a..b`, {}, "branch"],
    [`${app}/worktrees/%00`, {}, "branch"],
    [`${app}/worktrees/..%2F..%2Fx`, {}, "branch"],
    [`/api/factory/repos/acme/a%2Fb/sync`, {}, "repo"],
    [`/api/factory/repos/${"x".repeat(101)}/a/sync`, {}, "owner"],
    [dispatchPath, { ...work, task: undefined }, "task is missing"],
    [dispatchPath, { ...work, task: " " }, "task"],
    [dispatchPath, { ...work, task: "x".repeat(100_001) }, "task"],
    [dispatchPath, { ...work, task: "\ud83d" }, "task"],
    [dispatchPath, { ...work, parentSession: "" }, "parentSession"],
    [dispatchPath, { ...work, cleanup: "keep" }, "cleanup"],
    [dispatchPath, { ...work, priority: 1.5 }, "priority"],
    [dispatchPath, { ...work, priority: "1" }, "priority"],
    [dispatchPath, { ...work, priority: 2_000_000 }, "priority"],
    [dispatchPath, { ...work, timeoutSeconds: 0 }, "timeoutSeconds"],
    [dispatchPath, { ...work, timeoutSeconds: 1e12 }, "timeoutSeconds"],
    [dispatchPath, { ...work, push: "yes" }, "push"],
    [dispatchPath, { ...work, owner: undefined }, "owner is missing"],
    [dispatchPath, { ...work, repo: undefined }, "repo is missing"],
    [dispatchPath, { ...work, repo: undefined, owner: undefined }, "owner or repo"],
    [dispatchPath, { ...work, repository: { owner: "acme", name: "app" } }, "repository"],
    [dispatchPath, { ...work, branch: "-x" }, "branch"],
    ["/api/agents/sessions/worker-1/cancel", { reason: 5 }, "reason"],
    ["/api/agents/sessions/worker-1/cancel", { why: "x" }, "why"],
  ])("is refused as a field of a POST to %s: %j", async (path, body, word) => {
    expectRefusal(await rest.post(path, body), "BAD_INPUT", word);
  });

  test.each([
    ["GET", "/api/factory/repos?first=x", "first"],
    ["GET", "/api/factory/repos?first=-1", "first"],
    ["GET", "/api/factory/repos?first=1.5", "first"],
    ["GET", "/api/factory/repos?first=99999999999", "first"],
    ["GET", "/api/factory/repos?first=1&first=2", "first"],
    ["GET", "/api/factory/repos?after=nonsense", "after"],
    ["GET", "/api/factory/repos?afterr=x", "afterr"],
    ["GET", "/api/factory/repos?__proto__=x", "__proto__"],
    ["GET", "/api/agents/sessions/me/workers?after=R1BDOlM6MQ==", "after"],
    ["GET", "/api/agents/sessions/me/events?after=x", "after"],
    ["GET", "/api/agents/sessions/me/events?after=-1", "after"],
    ["GET", "/api/agents/sessions/me/events?after=99999999999", "after"],
    ["DELETE", `${app}?force=yes`, "force"],
    ["DELETE", `${app}?force`, "force"],
    ["DELETE", `${app}?deleteBranch=true`, "deleteBranch"],
    ["DELETE", `${app}/worktrees/x?force=TRUE`, "force"],
    ["GET", "/api/factory/repos/acme/%", "percent-encode"],
    ["GET", "/api/factory/repos/acme/%zz", "percent-encode"],
    ["GET", "/api/factory/repos/acme/%ff", "percent-encode"],
    ["GET", "/api/factory/repos/%00/app", "owner"],
    ["GET", "/api/factory/repos/acme/a%2Fb", "repo"],
    ["GET", `/api/agents/sessions/${"x".repeat(300)}/events`, "name"],
  ])("is refused in a path or a query: %s %s", async (method, path, word) => {
    expectRefusal(await rest.send(method, path), "BAD_INPUT", word);
  });

  test("is refused as an address", async () => {
    const { hostname, port } = new URL(server.url);
    for (const path of ["/api\\factory", "*", "http://x:99999/api"]) {
      const socket = connect(Number(port), hostname);
      socket.end(`GET ${path} HTTP/1.1\r\nHost: ${hostname}\r\nConnection: close\r\n\r\n`);
      const answer = await text(socket);
      expect(answer).toMatch(/^HTTP\/1.1 400 /);
      expect(answer).toContain(`{"error":{"code":"BAD_INPUT"`);
    }
  });

  test("is refused in a header", async () => {
    const headers = { "Last-Event-ID": "x" };
    const answer = await rest.get("/api/agents/sessions/me/events", { headers });
    expectRefusal(answer, "BAD_INPUT", "Last-Event-ID");
  });
});

describe("methods and paths", () => {
  test("that don't exist are refused as JSON", async () => {
    for (const path of [
      "/api/",
      "/api/nothing",
      "/api/factory/repos/",
      "/api/factory/repos//app",
    ]) {
      expectRefusal(await rest.get(path), "NOT_FOUND", path);
      expectRefusal(await rest.post(path, "{"), "NOT_FOUND", path);
    }
    for (const [method, path, allow] of [
      ["PUT", "/api/factory/repos", "POST, GET, HEAD, OPTIONS"],
      ["PATCH", app, "GET, DELETE, HEAD, OPTIONS"],
      ["POST", app, "GET, DELETE, HEAD, OPTIONS"],
      ["GET", `${app}/sync`, "POST, OPTIONS"],
      ["DELETE", `${app}/worktrees`, "GET, HEAD, OPTIONS"],
      ["PUT", worktreePath("feat/x"), "POST, GET, DELETE, HEAD, OPTIONS"],
      ["GET", "/api/agents/sessions/me/cancel", "POST, OPTIONS"],
      ["POST", "/api/agents/sessions/me/events", "GET, HEAD, OPTIONS"],
      ["POST", "/api/openapi.json", "GET, HEAD, OPTIONS"],
      ["DELETE", "/api", "GET, HEAD, OPTIONS"],
    ] as const) {
      const answer = await rest.send(method, path);
      expectRefusal(answer, "METHOD_NOT_ALLOWED", method);
      expect(answer.headers.get("allow")).toBe(allow);
      const options = await rest.send("OPTIONS", path);
      expect([options.status, options.headers.get("allow")]).toEqual([204, allow]);
    }
    expect((await rest.send("HEAD", `${app}/sync`)).status).toBe(405);
  });

  test("HEAD answers as GET does, without a body, a stream's too", async () => {
    for (const path of [app, "/api/factory/repos", "/api/agents/sessions/me/events?after=0"]) {
      const { status, body } = await rest.send("HEAD", path);
      expect([status, body]).toEqual([200, undefined]);
    }
    // Nobody is left who follows.
    await eventually(async () => {
      const metrics = await (await server.fetch("/metrics")).text();
      return /^factory_subscribers\{stream="parent"\} 0$/m.test(metrics);
    });
    expect((await rest.send("HEAD", "/api/factory/repos/acme/nothing")).status).toBe(404);
  });

  test("nothing is to be had without a token, and nothing of it is kept by others", async () => {
    for (const path of ["/api", "/api/openapi.json", "/api/page/start.js", app]) {
      expectRefusal(await rest.get(path, { token: "" }), "UNAUTHENTICATED");
      expectRefusal(await rest.get(path, { token: "wrong" }), "UNAUTHENTICATED");
    }
    expect((await rest.get(app)).headers.get("cache-control")).toBe("no-store");
  });
});

describe("a worker's token", () => {
  test("reads and does what is the worker's, and is refused for the rest", async () => {
    const repository = { owner: "acme", name: "app" };
    const input = { parentSession: "boss", repository };
    const self = await startMember(server, { ...input, branch: "self" });
    const sibling = await startMember(server, { ...input, branch: "sibling" });
    const mine = { token: self.token };
    const path = `/api/agents/sessions/${self.name}`;

    expect((await rest.get(path, mine)).body).toMatchObject({
      name: self.name,
      parentSession: "boss",
    });
    const repos = await rest.get("/api/factory/repos", mine);
    expect(repos.body).toMatchObject({ repos: [{ repo: "app" }] });
    expect((repos.body!["repos"] as unknown[]).length).toBe(1);
    expect((await rest.get(worktreePath("self"), mine)).status).toBe(200);
    expect((await rest.post(`${app}/sync`, undefined, mine)).status).toBe(200);
    expect((await rest.get(`${app}/worktrees`, mine)).body).toMatchObject({
      worktrees: [{ branch: "self", worker: self.name }],
    });

    const gate = await createGate();
    const child = await dispatch({ parentSession: self.name, task: gate.wait }, mine);
    await untilStatus(server, child, "RUNNING");
    expect((await rest.get(`${path}/workers`, mine)).body).toMatchObject({
      workers: [{ name: child, parentSession: self.name, parentWorker: self.name }],
      counts: { total: 1 },
    });
    const one = { ...work, parentSession: self.name };
    expectRefusal(
      await rest.post(dispatchPath, one, mine),
      "LIMIT_EXCEEDED",
      "FACTORY_MAX_CHILDREN",
    );
    const told = await rest.follow(`${path}/workers/events?after=0`, mine);
    expect((await told.take(1))[0]).toMatchObject({ data: { worker: { name: child } } });
    told.leave();
    const own = await rest.follow(`${path}/events?after=0`, mine);
    expect((await own.take(1))[0]).toMatchObject({ id: 1 });
    expect((await rest.post(`/api/agents/sessions/${child}/cancel`, {}, mine)).status).toBe(200);
    await untilEnded(server, child);
    await gate.dispose();

    const theirs = `/api/agents/sessions/${sibling.name}`;
    for (const answer of [
      await rest.get(theirs, mine),
      await rest.get(`${theirs}/workers`, mine),
      await rest.get(`${theirs}/events`, mine),
      await rest.get(`${theirs}/workers/events`, mine),
      await rest.post(`${theirs}/cancel`, {}, mine),
      await rest.post(`${path}/cancel`, {}, mine),
      await rest.get("/api/agents/sessions/boss", mine),
      await rest.get("/api/agents/sessions/boss/workers", mine),
      await rest.get("/api/agents/sessions/boss/events", mine),
      await rest.post(dispatchPath, { ...work, parentSession: "boss" }, mine),
      await rest.post(dispatchPath, { ...one, repo: "held" }, mine),
      await rest.get(worktreePath("sibling"), mine),
      await rest.get("/api/factory/repos/acme/held", mine),
      await rest.get("/api/factory/repos/acme/held/worktrees", mine),
      await rest.post("/api/factory/repos", { owner: "acme", repo: "other" }, mine),
      await rest.delete(worktreePath("self"), mine),
      await rest.delete(app, mine),
    ]) {
      expectRefusal(answer, "FORBIDDEN");
    }

    // The token ends with its session, and with it what it still listens to.
    await self.release();
    await untilEnded(server, self.name);
    await own.rest();
    expectRefusal(await rest.get(path, mine), "UNAUTHENTICATED");
    await sibling.release();
    await untilEnded(server, sibling.name);
  });

  test("of a worker that was cancelled dispatches no more", async () => {
    const gate = await createGate();
    const task = `trap '' TERM; echo "$FACTORY_TOKEN" >.token; echo here; ${gate.wait}; cat .token`;
    const name = await dispatch({ task });
    await untilPrinted(server, name, "here");
    const [row] = await queryDatabase<{ path: string }>(
      server,
      `SELECT path FROM "Worktree" WHERE branch = $1`,
      [name],
    );
    const token = (await readFile(join(row!.path, ".token"), "utf8")).trim();
    await cancel(server, name);
    const answer = await rest.post(dispatchPath, { ...work, parentSession: name }, { token });
    expectRefusal(answer, "WORKER_NOT_RUNNING");
    await gate.open();
    await untilEnded(server, name);
  });
});

describe("failures of the server's own", () => {
  test("a bug is masked, and the log has it under the id that is told", async () => {
    await queryDatabase(server, `ALTER TABLE "Repository" RENAME COLUMN "error" TO "hidden"`);
    const answer = await rest.get("/api/factory/repos");
    await queryDatabase(server, `ALTER TABLE "Repository" RENAME COLUMN "hidden" TO "error"`);
    expectRefusal(answer, "INTERNAL");
    const { message } = answer.body!["error"] as { message: string };
    const [id] = /[0-9a-f-]{36}/.exec(message) ?? [];
    expect(message).not.toContain("column");
    expect(server.log.some((line) => line.includes(String(id)) && line.includes("column"))).toBe(
      true,
    );
    expect((await rest.get("/api/factory/repos")).status).toBe(200);
  });

  test("a database that is away is told as SERVICE_UNAVAILABLE", async () => {
    const url = new URL(server.databaseUrl);
    const name = url.pathname.slice(1);
    url.pathname = "postgres";
    const elsewhere = { ...server, databaseUrl: url.href };
    await queryDatabase(elsewhere, `ALTER DATABASE "${name}" ALLOW_CONNECTIONS false`);
    try {
      await queryDatabase(
        elsewhere,
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`,
      );
      expectRefusal(await rest.get(app), "SERVICE_UNAVAILABLE");
    } finally {
      await queryDatabase(elsewhere, `ALTER DATABASE "${name}" ALLOW_CONNECTIONS true`);
    }
    expect((await rest.get(app)).status).toBe(200);
  });
});

describe("these tests", () => {
  test("have called every operation, and seen every error code that the document tells of", () => {
    const operations = Object.entries(rest.document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({
        called: `${method} ${path}`,
        operation,
      })),
    );
    expect([...rest.exercised].toSorted()).toEqual(
      operations.map(({ called }) => called).toSorted(),
    );
    const told = operations.flatMap(({ operation }) =>
      Object.entries(operation.responses)
        .filter(([status]) => Number(status) >= 400)
        .flatMap(([, { description }]) => description.split(", ")),
    );
    expect([...rest.codes].toSorted()).toEqual(
      [...new Set([...told, "METHOD_NOT_ALLOWED"])].toSorted(),
    );
  });
});
