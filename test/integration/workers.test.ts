// A worker's life: statuses, output, environment, commits.
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import {
  createGate,
  dispatch,
  dispatchMutation,
  followParent,
  readWorker,
  untilEnded,
  untilPrinted,
} from "../support/workers.ts";

let git: GitServer;
let server: FactoryServer;
let folder: string;
const repository = { owner: "acme", name: "app" };

beforeAll(async () => {
  git = await startGitServer();
  await git.createRepository("acme", "app", {
    files: { "README.md": "# app\n", "code.txt": "1\n" },
  });
  folder = await mkdtemp(join(tmpdir(), "factory-agents-"));
  await writeFile(
    join(folder, "agents.json"),
    JSON.stringify({
      agents: {
        echo: {
          command: ["printf", "%s|", "before {task} after", "{task}", "$FACTORY_TASK"],
          protocol: "plain",
        },
        keyed: {
          command: ["bash", "-c", 'echo "key=$ACME_API_KEY other=${OTHER_SECRET-unset}"; env'],
          protocol: "plain",
          env: ["ACME_API_KEY"],
        },
        missing: { command: ["no-such-program-anywhere"], protocol: "plain" },
      },
    }),
  );
  server = await startFactory({
    git,
    env: {
      FACTORY_AGENTS: join(folder, "agents.json"),
      ACME_API_KEY: "acme-key-0123456789",
      OTHER_SECRET: "other-secret-0123456789",
      ANTHROPIC_API_KEY: "anthropic-0123456789",
      HTTPS_PROXY: "http://ada:proxy-sesame@proxy.invalid:3128",
      GIT_SSL_CAINFO: "/nowhere/ca.pem",
      TZ: "UTC",
      LC_TIME: "C.UTF-8",
    },
  });
});

afterAll(async () => {
  await server.dispose();
  await git.stop();
  await rm(folder, { recursive: true, force: true });
});

describe("statuses", () => {
  test("three workers run at the same time in worktrees of their own, and no change is missing", async () => {
    const gate = await createGate();
    const parentSession = "three";
    const watched = followParent(server, parentSession, 0);
    const workers = await Promise.all(
      [1, 2, 3].map((number) =>
        dispatch(server, {
          parentSession,
          repository,
          task: `echo here; ${gate.wait}; pwd; echo ${String(number)} > mine.txt; ls`,
        }),
      ),
    );
    // Each has begun, and none can end before the gate opens: all three run now.
    await Promise.all(workers.map(({ id }) => untilPrinted(server, id, "here\n")));
    const running = await Promise.all(workers.map(({ id }) => readWorker(server, id)));
    expect(running.map(({ status }) => status)).toEqual(["RUNNING", "RUNNING", "RUNNING"]);
    await gate.open(3);

    const ended = await Promise.all(workers.map(({ id }) => untilEnded(server, id)));
    const paths = ended.map(({ worktree }) => worktree?.path);
    expect(new Set(paths).size).toBe(3);
    for (const { stdout, worktree, exitCode, startedAt, finishedAt, name, branch } of ended) {
      expect(stdout).toBe(`here\n${worktree?.path ?? ""}\nREADME.md\ncode.txt\nmine.txt\n`);
      expect(exitCode).toBe(0);
      expect(branch).toBe(name);
      expect(Date.parse(finishedAt!)).toBeGreaterThanOrEqual(Date.parse(startedAt!));
    }

    const messages = await watched.until(
      (all) => all.filter((one) => one.workerStatusChanged.status === "SUCCEEDED").length === 3,
    );
    const changes = messages.map(({ workerStatusChanged }) => workerStatusChanged);
    expect(changes.map(({ sequence }) => sequence)).toEqual(
      Array.from({ length: 12 }, (_, i) => i + 1),
    );
    for (const { name } of workers) {
      const own = changes.filter(({ worker }) => worker.name === name);
      expect(own.map(({ status }) => status)).toEqual([
        "QUEUED",
        "PREPARING",
        "RUNNING",
        "SUCCEEDED",
      ]);
      expect(own.map(({ previousStatus }) => previousStatus)).toEqual([
        null,
        "QUEUED",
        "PREPARING",
        "RUNNING",
      ]);
    }
    await gate.dispose();
  });

  test("an exit code other than 0 is FAILED, with the code as reason", async () => {
    const { id } = await dispatch(server, { parentSession: "codes", repository, task: "exit 7" });
    expect(await untilEnded(server, id)).toMatchObject({
      status: "FAILED",
      statusReason: "exit code 7",
      exitCode: 7,
      signal: null,
      failureCode: null,
    });
  });

  test("a signal is FAILED, with the signal as reason and no exit code", async () => {
    const { id } = await dispatch(server, {
      parentSession: "codes",
      repository,
      task: "kill -SEGV $$",
    });
    expect(await untilEnded(server, id)).toMatchObject({
      status: "FAILED",
      statusReason: "ended by SIGSEGV",
      exitCode: null,
      signal: "SIGSEGV",
    });
  });

  test("an exit code above 128 that no signal caused is no signal", async () => {
    const { id } = await dispatch(server, { parentSession: "codes", repository, task: "exit 143" });
    expect(await untilEnded(server, id)).toMatchObject({ exitCode: 143, signal: null });
  });

  test("counts and lists of the parent tell what became of its workers", async () => {
    const { parentSession } = await server.query<{ parentSession: unknown }>(
      `{ parentSession(name: "three") {
        name lastSequence workerCounts { total succeeded failed queued running }
        workerSessions(status: [SUCCEEDED]) { totalCount nodes { status } }
      } }`,
    );
    expect(parentSession).toEqual({
      name: "three",
      lastSequence: 12,
      workerCounts: { total: 3, succeeded: 3, failed: 0, queued: 0, running: 0 },
      workerSessions: {
        totalCount: 3,
        nodes: [{ status: "SUCCEEDED" }, { status: "SUCCEEDED" }, { status: "SUCCEEDED" }],
      },
    });
  });
});

describe("commits", () => {
  test("what the worker committed is recorded with its end, oldest first", async () => {
    const { id } = await dispatch(server, {
      parentSession: "commits",
      repository,
      branch: "feat/commits",
      task: `set -e; for n in 1 2; do echo $n > $n.txt; git add .; git commit -qm "Add $n"; done; git rev-parse HEAD~1 HEAD`,
    });
    const { commits, stdout, status } = await untilEnded(server, id);
    expect(status).toBe("SUCCEEDED");
    expect(commits.map(({ subject }) => subject)).toEqual(["Add 1", "Add 2"]);
    expect(commits.map((commit) => commit.id)).toEqual(stdout.trim().split("\n"));
  });

  test("a second session on the branch counts its own commits alone", async () => {
    const { id } = await dispatch(server, {
      parentSession: "commits",
      repository,
      branch: "feat/commits",
      task: `git commit -q --allow-empty -m "Third"`,
    });
    const { commits } = await untilEnded(server, id);
    expect(commits.map(({ subject }) => subject)).toEqual(["Third"]);
  });

  test("a running worker's commits are read live", async () => {
    const gate = await createGate();
    const { id } = await dispatch(server, {
      parentSession: "commits",
      repository,
      task: `git commit -q --allow-empty -m "Live"; echo done; ${gate.wait}`,
    });
    await untilPrinted(server, id, "done");
    const { commits, status } = await readWorker(server, id);
    expect([status, commits.map(({ subject }) => subject)]).toEqual(["RUNNING", ["Live"]]);
    await gate.open();
    await untilEnded(server, id);
    await gate.dispose();
  });
});

describe("output", () => {
  test("both channels are stored, each whole and in order", async () => {
    const { id } = await dispatch(server, {
      parentSession: "output",
      repository,
      task: "seq 1 20000; seq 20001 20100 >&2",
    });
    const { stdout, stderr, events } = await untilEnded(server, id);
    const lines = (from: number, to: number) =>
      Array.from({ length: to - from + 1 }, (_, i) => `${String(from + i)}\n`).join("");
    expect(stdout).toBe(lines(1, 20_000));
    expect(stderr).toBe(lines(20_001, 20_100));
    expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, i) => i + 1));
  });

  test("NUL and bytes that are no UTF-8 stand as U+FFFD; terminal escapes stay as printed", async () => {
    const { id } = await dispatch(server, {
      parentSession: "output",
      repository,
      task: String.raw`printf 'a\0b\377c\033[31mred\033[0m\303\251\n'`,
    });
    const { stdout } = await untilEnded(server, id);
    expect(stdout).toBe("a\uFFFDb\uFFFDc\u001b[31mred\u001b[0mé\n");
  });

  test("a character whose bytes are written one by one is whole", async () => {
    const gate = await createGate();
    const { id } = await dispatch(server, {
      parentSession: "output",
      repository,
      // A letter could begin a secret, and would be held back.
      task: String.raw`printf '(\360\237'; ${gate.wait}; printf '\230\200b'`,
    });
    // Read and stored up to the middle of the character.
    await untilPrinted(server, id, "(");
    await gate.open();
    const { stdout } = await untilEnded(server, id);
    expect(stdout).toBe("(😀b");
    await gate.dispose();
  });
});

describe("the worker's environment", () => {
  const variables = (text: string) =>
    Object.fromEntries(
      text
        .split("\n")
        .filter((line) => line.includes("="))
        .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
    );

  test("holds what Factory promises, and nothing else of the server's", async () => {
    const { id, name } = await dispatch(server, {
      parentSession: "environment",
      repository,
      task: "env",
      branch: "env/all",
      issue: "https://example.org/acme/app/issues/9",
    });
    const { stdout } = await untilEnded(server, id);
    const found = variables(stdout);
    expect(found).toMatchObject({
      FACTORY_URL: server.url,
      FACTORY_WORKER: name,
      FACTORY_PARENT_SESSION: "environment",
      FACTORY_OWNER: "acme",
      FACTORY_REPOSITORY: "app",
      FACTORY_BRANCH: "env/all",
      FACTORY_BASE: "main",
      FACTORY_ISSUE: "https://example.org/acme/app/issues/9",
      FACTORY_TASK: "env",
      HOME: server.home,
      LANG: "C.UTF-8",
      LC_TIME: "C.UTF-8",
      TZ: "UTC",
      HTTPS_PROXY: "http://[redacted]@proxy.invalid:3128",
      GIT_SSL_CAINFO: "/nowhere/ca.pem",
    });
    expect(found["FACTORY_TOKEN"]).toBe("[redacted]");
    const allowed =
      /^(PATH|HOME|USER|SHELL|LANG|LC_\w+|TERM|TMPDIR|TZ|HTTPS_PROXY|GIT_SSL_CAINFO|PWD|OLDPWD|SHLVL|_|GIT_(AUTHOR|COMMITTER)_(NAME|EMAIL)|FACTORY_(URL|TOKEN|WORKER|PARENT_SESSION|OWNER|REPOSITORY|BRANCH|BASE|ISSUE|TASK|SESSION_NONCE))$/;
    expect(Object.keys(found).filter((key) => !allowed.test(key))).toEqual([]);
    for (const secret of [
      server.token,
      server.databaseUrl,
      "acme-key",
      "other-secret",
      "anthropic-",
      "proxy-sesame",
    ]) {
      expect(stdout).not.toContain(secret);
    }
  });

  test("has the factory command on its PATH, and a temporary folder of its own that is gone after", async () => {
    const { id } = await dispatch(server, {
      parentSession: "environment",
      repository,
      task: 'factory --help | head -n 1; mktemp; stat -c %a "$TMPDIR"',
    });
    const { stdout } = await untilEnded(server, id);
    const [usage, file, mode] = stdout.trim().split("\n");
    expect(usage).toMatch(/^Usage: factory/);
    expect(file).toMatch(new RegExp(`^${server.home}/sessions/`));
    expect(mode).toBe("700");
    await expect(stat(file!)).rejects.toThrow("ENOENT");
  });

  test("the token is redacted from stored output, also where it is printed in pieces", async () => {
    const gate = await createGate();
    const { id } = await dispatch(server, {
      parentSession: "environment",
      repository,
      task: `t=$FACTORY_TOKEN; echo "err $t" >&2; echo "whole $t"; printf 'split %s' "\${t:0:20}"; ${gate.wait}; printf '%s end\\n' "\${t:20}"`,
    });
    // Read up to the middle of the token: its first half is held back.
    const printed = await untilPrinted(server, id, "split ");
    expect(printed.replace("err [redacted]\n", "")).toBe("whole [redacted]\nsplit ");
    await gate.open();
    const { stdout, stderr } = await untilEnded(server, id);
    expect(stdout).toBe("whole [redacted]\nsplit [redacted] end\n");
    expect(stderr).toBe("err [redacted]\n");
    await gate.dispose();
  });

  test("an agent's own variables reach it, and are redacted where they are secrets", async () => {
    const { id } = await dispatch(server, {
      parentSession: "environment",
      repository,
      agent: "keyed",
      task: "whatever",
    });
    const { stdout } = await untilEnded(server, id);
    expect(stdout).toContain("key=[redacted] other=unset\n");
    expect(stdout).not.toContain("acme-key");
  });
});

describe("agents", () => {
  test("an agent of FACTORY_AGENTS gets the task as its argument, and no shell sees it", async () => {
    const { id } = await dispatch(server, {
      parentSession: "agents",
      repository,
      agent: "echo",
      task: "$(id) ; `id` 'x' \"y\" $& {task}",
    });
    const { stdout, status } = await untilEnded(server, id);
    const task = "$(id) ; `id` 'x' \"y\" $& {task}";
    expect(stdout).toBe(`before ${task} after|${task}|$FACTORY_TASK|`);
    expect(status).toBe("SUCCEEDED");
  });

  test("an unknown agent is AGENT_UNKNOWN, and the message names the known ones", async () => {
    const { errors } = await server.send(dispatchMutation, {
      input: { parentSession: "agents-bad", repository, task: "x", agent: "nobody" },
    });
    expect(errors?.[0]).toMatchObject({ extensions: { code: "AGENT_UNKNOWN" } });
    expect(errors?.[0]?.message).toMatch(/claude, codex, gemini, opencode, shell.*echo/);
  });

  test("an agent whose program is missing is AGENT_UNAVAILABLE, with what to install", async () => {
    for (const [agent, remedy] of [
      ["codex", "npm install -g"],
      ["missing", "no-such-program-anywhere"],
    ]) {
      const { errors } = await server.send(dispatchMutation, {
        input: { parentSession: "agents-bad", repository, task: "x", agent },
      });
      expect(errors?.[0]).toMatchObject({ extensions: { code: "AGENT_UNAVAILABLE" } });
      expect(errors?.[0]?.message).toContain(remedy);
    }
  });

  test("claude is the agent that is taken where none is given", async () => {
    const { errors } = await server.send(dispatchMutation, {
      input: { parentSession: "agents-bad", repository, task: "x" },
    });
    expect(errors?.[0]?.extensions.code).toBe("AGENT_UNAVAILABLE");
    expect(errors?.[0]?.message).toContain('"claude"');
  });

  test("refused dispatches leave no session and no parent", async () => {
    const { parentSession } = await server.query<{ parentSession: unknown }>(
      `{ parentSession(name: "agents-bad") { name } }`,
    );
    expect(parentSession).toBeNull();
  });

  test("the list of agents says which can start, and what the others lack", async () => {
    const { agents } = await server.query<{
      agents: { name: string; available: boolean; unavailableReason: string | null }[];
    }>(`{ agents { name available unavailableReason } }`);
    const byName = new Map(agents.map((agent) => [agent.name, agent]));
    expect([...byName.keys()]).toEqual([
      "claude",
      "codex",
      "gemini",
      "opencode",
      "shell",
      "echo",
      "keyed",
      "missing",
    ]);
    expect(byName.get("shell")).toEqual({
      name: "shell",
      available: true,
      unavailableReason: null,
    });
    expect(byName.get("missing")?.available).toBe(false);
    expect(byName.get("claude")?.unavailableReason).toContain("npm install -g");
  });
});
