// What dispatchWorker accepts and refuses, and which repository, branch and base a worker gets.
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import {
  createGate,
  dispatch,
  dispatchMutation,
  readWorker,
  untilEnded,
  untilPrinted,
} from "../support/workers.ts";

let git: GitServer;
let server: FactoryServer;

beforeAll(async () => {
  git = await startGitServer();
  await git.createRepository("acme", "app");
  server = await startFactory({ git });
});

afterAll(async () => {
  await server.dispose();
  await git.stop();
});

const repository = { owner: "acme", name: "app" };

interface Counts {
  readonly workerSessions: { totalCount: number };
  readonly repositories: { totalCount: number };
  readonly parentSessions: { totalCount: number };
}

function count(): Promise<Counts> {
  return server.query<Counts>(
    "{ workerSessions { totalCount } repositories { totalCount } parentSessions { totalCount } }",
  );
}

/** The first error's code and message; nothing may have come into being. */
async function refuse(input: Readonly<Record<string, unknown>>): Promise<[string, string]> {
  const before = await count();
  const { data, errors } = await server.send<{ dispatchWorker: null }>(dispatchMutation, {
    input: { agent: "shell", parentSession: "refused", task: "true", repository, ...input },
  });
  expect(data.dispatchWorker).toBeNull();
  expect(await count()).toEqual(before);
  return [errors![0]!.extensions.code, errors![0]!.message];
}

describe("repositories", () => {
  test.each([
    ["https://github.com/acme/app/issues/42", "issue-42"],
    ["https://github.com/acme/app/pull/43#discussion_r1", "issue-43"],
    ["https://gitlab.com/acme/app/-/issues/44", "issue-44"],
    ["https://gitlab.com/acme/app/-/merge_requests/45/diffs", undefined],
    ["https://gitea.example.org/acme/app/issues/46", "issue-46"],
    ["https://codeberg.org/acme/app/pulls/47?tab=files", "issue-47"],
  ])("the repository is taken from the issue %s", async (issue, branch) => {
    const worker = await dispatch(server, { parentSession: "issues", task: "true", issue });
    expect(worker.repositoryName).toBe("acme/app");
    expect(worker.branch).toBe(branch ?? worker.name);
    expect((await untilEnded(server, worker.id)).status).toBe("SUCCEEDED");
  });

  test("a repository that is given wins over the issue's", async () => {
    const worker = await dispatch(server, {
      parentSession: "issues",
      task: "true",
      issue: "https://github.com/somebody/else/issues/51",
      repository,
    });
    expect([worker.repositoryName, worker.branch]).toEqual(["acme/app", "issue-51"]);
    await untilEnded(server, worker.id);
  });

  test("without a repository, and with an issue that names none, it is BAD_INPUT", async () => {
    for (const issue of [
      undefined,
      "#42",
      "https://github.com/acme",
      "https://gitlab.com/a/b/c/-/issues/1",
    ]) {
      const [code, message] = await refuse({ repository: undefined, issue });
      expect(code).toBe("BAD_INPUT");
      expect(message).toMatch(/^repository is missing/);
    }
  });
});

describe("branches and bases", () => {
  test("without an issue the branch has the session's name", async () => {
    const worker = await dispatch(server, { parentSession: "branches", repository, task: "true" });
    expect(worker.branch).toBe(worker.name);
    await untilEnded(server, worker.id);
  });

  test("a default branch that exists gets the session's name behind it", async () => {
    const issue = {
      parentSession: "branches",
      repository,
      issue: "#60",
      task: "git branch --show-current",
    };
    const first = await dispatch(server, issue);
    const second = await dispatch(server, issue);
    expect([first.branch, second.branch]).toEqual(["issue-60", `issue-60-${second.name}`]);
    const ended = await Promise.all([first, second].map(({ id }) => untilEnded(server, id)));
    expect(ended.map(({ stdout }) => stdout.trim())).toEqual([
      "issue-60",
      `issue-60-${second.name}`,
    ]);
  });

  test("at the same time just one of ten gets the default branch as it is", async () => {
    const workers = await Promise.all(
      Array.from({ length: 10 }, () =>
        dispatch(server, { parentSession: "branches", repository, issue: "PROJ-61", task: "true" }),
      ),
    );
    const ended = await Promise.all(workers.map(({ id }) => untilEnded(server, id)));
    expect(ended.filter(({ branch }) => branch === "issue-61")).toHaveLength(1);
    expect(new Set(ended.map(({ worktree }) => worktree?.path)).size).toBe(10);
  });

  test("a default branch that only the remote has isn't taken up", async () => {
    const theirs = await git.pushCommit("acme", "app", "issue-62", { "theirs.txt": "theirs\n" });
    const worker = await dispatch(server, {
      parentSession: "branches",
      repository,
      issue: "62",
      task: "git branch --show-current; git log -1 --format=%H",
    });
    const ended = await untilEnded(server, worker.id);
    expect(ended.branch).toBe(`issue-62-${worker.name}`);
    expect(ended.stdout).toMatch(new RegExp(`^issue-62-${worker.name}\n`));
    expect(ended.stdout).not.toContain(theirs);
  });

  test("nor in a repository that was not cloned yet", async () => {
    await git.createRepository("acme", "late");
    await git.pushCommit("acme", "late", "issue-63", { "theirs.txt": "theirs\n" });
    const worker = await dispatch(server, {
      parentSession: "branches",
      issue: `http://example.org/acme/late/issues/63`,
      task: "ls",
    });
    const ended = await untilEnded(server, worker.id);
    expect(ended.branch).toBe(`issue-63-${worker.name}`);
    expect(ended.stdout).toBe("README.md\n");
  });

  test("a branch that is given is taken up where the remote has it", async () => {
    const tip = await git.pushCommit("acme", "app", "given", { "given.txt": "given\n" });
    const { id } = await dispatch(server, {
      parentSession: "branches",
      repository,
      branch: "given",
      task: "git rev-parse HEAD",
    });
    const ended = await untilEnded(server, id);
    expect(ended.stdout.trim()).toBe(tip);
    expect(ended.worktree).toMatchObject({ branch: "given", baseCommit: tip });
  });

  test("a base that moved a second ago is what the worker starts from", async () => {
    const tip = await git.pushCommit("acme", "app", "main", { "new.txt": "new\n" });
    const { id } = await dispatch(server, {
      parentSession: "branches",
      repository,
      task: "git rev-parse HEAD",
    });
    const ended = await untilEnded(server, id);
    expect(ended.stdout.trim()).toBe(tip);
    expect(ended.worktree).toMatchObject({ base: "main", baseCommit: tip });
  });

  test("a base that is given is what the branch is made from", async () => {
    const tip = await git.pushCommit("acme", "app", "release", { "release.txt": "1\n" });
    await git.git("acme", "app", "tag", "v1", tip);
    for (const base of ["release", "v1", tip]) {
      const { id } = await dispatch(server, {
        parentSession: "bases",
        repository,
        base,
        task: 'git rev-parse HEAD; echo "$FACTORY_BASE"',
      });
      const ended = await untilEnded(server, id);
      expect(ended.stdout.split("\n")[0]).toBe(tip);
      expect(ended).toMatchObject({ base, worktree: { baseCommit: tip } });
    }
  });

  test("a base that doesn't exist is the session's failure: BASE_NOT_FOUND", async () => {
    const { id } = await dispatch(server, {
      parentSession: "bases",
      repository,
      base: "no-such-base",
      task: "true",
    });
    const ended = await untilEnded(server, id);
    expect(ended).toMatchObject({ status: "FAILED", failureCode: "BASE_NOT_FOUND" });
    expect(ended.statusReason).toContain("no-such-base");
  });

  test("a base for a branch that stands elsewhere is the session's failure: BRANCH_EXISTS", async () => {
    const { id } = await dispatch(server, {
      parentSession: "bases",
      repository,
      branch: "given",
      base: "main",
      task: "true",
    });
    expect(await untilEnded(server, id)).toMatchObject({
      status: "FAILED",
      failureCode: "BRANCH_EXISTS",
    });
  });

  test("a repository without commits gives a worker an empty worktree on an unborn branch", async () => {
    await git.createRepository("acme", "empty", { empty: true });
    const { id } = await dispatch(server, {
      parentSession: "bases",
      repository: { owner: "acme", name: "empty" },
      task: "ls; git add -A; git commit -q --allow-empty -m First; git branch --show-current",
    });
    const ended = await untilEnded(server, id);
    expect([ended.status, ended.statusReason, ended.stderr, ended.stdout]).toEqual([
      "SUCCEEDED",
      null,
      "",
      `${ended.branch}\n`,
    ]);
    expect(ended.commits.map(({ subject }) => subject)).toEqual(["First"]);
  });

  test("branches that git can't hold together are BRANCH_CONFLICT at once", async () => {
    const gate = await createGate();
    const { id } = await dispatch(server, {
      parentSession: "conflict",
      repository,
      branch: "feat/one",
      task: `echo here; ${gate.wait}`,
    });
    for (const branch of ["feat", "Feat/one", "feat/one/more"]) {
      expect((await refuse({ branch }))[0]).toBe("BRANCH_CONFLICT");
    }
    await untilPrinted(server, id, "here");
    await gate.open();
    await untilEnded(server, id);
    await gate.dispose();
  });
});

describe("the idempotency key", () => {
  const input = { parentSession: "keys", repository, task: "echo once", idempotencyKey: "k1" };

  test("the same input under the same key is the session that there is", async () => {
    const first = await dispatch(server, input);
    expect(first.created).toBe(true);
    expect(await dispatch(server, input)).toMatchObject({ id: first.id, created: false });
    await untilEnded(server, first.id);
  });

  test("another input under the same key is IDEMPOTENCY_MISMATCH, checked before anything else", async () => {
    for (const other of [
      { task: "echo twice" },
      { priority: 1 },
      { agent: "nobody" },
      { branch: "../x" },
      { task: "" },
      { repository: undefined },
    ]) {
      const [code, message] = await refuse({ ...input, ...other });
      expect([other, code]).toEqual([other, "IDEMPOTENCY_MISMATCH"]);
      expect(message).toContain("k1");
    }
  });

  test("defaults that are given are the same input", async () => {
    const { created } = await dispatch(server, { ...input, priority: 0, cleanup: "KEEP" });
    expect(created).toBe(false);
  });

  test("it is the parent's own: another parent's session is another one", async () => {
    const mine = await dispatch(server, input);
    const theirs = await dispatch(server, { ...input, parentSession: "keys-too" });
    expect(theirs.created).toBe(true);
    expect(theirs.id).not.toBe(mine.id);
    await untilEnded(server, theirs.id);
  });

  test("a refused call leaves its key unused", async () => {
    const key = { ...input, idempotencyKey: "k2" };
    expect((await refuse({ ...key, branch: "a..b" }))[0]).toBe("BAD_INPUT");
    const { created, id } = await dispatch(server, key);
    expect(created).toBe(true);
    await untilEnded(server, id);
  });
});

describe("bad input", () => {
  const long = (bytes: number) => "x".repeat(bytes);
  test.each<[string, Readonly<Record<string, unknown>>, string, RegExp]>([
    ["an empty task", { task: " \n" }, "BAD_INPUT", /^task is empty/],
    [
      "a task of 1 MB",
      { task: long(1024 * 1024) },
      "BAD_INPUT",
      /^task has 1048576 bytes: .*100000/,
    ],
    ["half a surrogate pair in the task", { task: "a\ud800b" }, "BAD_INPUT", /^task .*Unicode/],
    ["half a surrogate pair in the issue", { issue: "\udc00" }, "BAD_INPUT", /^issue .*Unicode/],
    ["NUL in the task", { task: "a\0b" }, "BAD_INPUT", /NUL/],
    ["an empty parent", { parentSession: "" }, "BAD_INPUT", /^parentSession is empty/],
    ["a parent of two lines", { parentSession: "a\nb" }, "BAD_INPUT", /^parentSession .*one line/],
    ["a parent of 201 bytes", { parentSession: long(201) }, "BAD_INPUT", /^parentSession .*200/],
    ["an issue of 2,001 bytes", { issue: long(2001) }, "BAD_INPUT", /^issue .*2000/],
    ["a key of 201 bytes", { idempotencyKey: long(201) }, "BAD_INPUT", /^idempotencyKey .*200/],
    ["an empty key", { idempotencyKey: "" }, "BAD_INPUT", /^idempotencyKey is empty/],
    ["a priority beyond the limit", { priority: 1_000_001 }, "BAD_INPUT", /^priority .*1000000/],
    ["a timeout of 0", { timeoutSeconds: 0 }, "BAD_INPUT", /^timeoutSeconds .*from 1 to/],
    ["a negative timeout", { timeoutSeconds: -1 }, "BAD_INPUT", /^timeoutSeconds/],
    ["a timeout beyond the limit", { timeoutSeconds: 1_728_001 }, "BAD_INPUT", /^timeoutSeconds/],
    ["a branch that git refuses", { branch: "a..b" }, "BAD_INPUT", /^branch/],
    ["a base that is an option", { base: "--upload-pack=x" }, "BAD_INPUT", /^base/],
    [
      "an owner that is a path",
      { repository: { owner: "..", name: "app" } },
      "BAD_INPUT",
      /^owner/,
    ],
    ["a name with a slash", { repository: { owner: "a", name: "b/c" } }, "BAD_INPUT", /^name/],
    ["an unknown cleanup", { cleanup: "NEVER" }, "BAD_INPUT", /cleanup/],
    ["a fractional priority", { priority: 1.5 }, "BAD_INPUT", /priority/],
    ["a missing parent", { parentSession: undefined }, "BAD_INPUT", /parentSession/],
    ["an unknown field", { colour: "red" }, "BAD_INPUT", /colour/],
  ])("%s is refused, and nothing is created", async (_what, input, code, message) => {
    const before = await count();
    const { errors } = await server.send(dispatchMutation, {
      input: { agent: "shell", parentSession: "bad", task: "true", repository, ...input },
    });
    expect(errors?.map(({ extensions }) => extensions.code)).toEqual([code]);
    expect(errors?.[0]?.message).toMatch(message);
    expect(await count()).toEqual(before);
  });

  test("a parent named as a worker that doesn't exist is WORKER_NOT_FOUND", async () => {
    const [code, message] = await refuse({ parentSession: "worker-999999" });
    expect(code).toBe("WORKER_NOT_FOUND");
    expect(message).toContain("worker-999999");
  });

  test("a parent whose name just begins as a worker's may be had", async () => {
    const { id } = await dispatch(server, { parentSession: "worker-x", repository, task: "true" });
    await untilEnded(server, id);
  });

  test("a task of 100,000 bytes reaches the worker whole", async () => {
    const task = `# ${"é".repeat(49_900)}\nwc -c <<<"$FACTORY_TASK"`;
    const padded = task + " ".repeat(100_000 - Buffer.byteLength(task));
    const { id } = await dispatch(server, { parentSession: "large", repository, task: padded });
    const ended = await untilEnded(server, id);
    expect([ended.status, ended.stdout.trim()]).toEqual(["SUCCEEDED", "100001"]);
  });

  test("of three dispatches in one document the refused one doesn't hide the others", async () => {
    const one = (task: string, branch: string) =>
      `dispatchWorker(input: { parentSession: "document", agent: "shell", task: "${task}", branch: "${branch}",
        repository: { owner: "acme", name: "app" } }) { worker { id status } }`;
    const { data, errors } = await server.send<Record<string, { worker: { id: string } } | null>>(
      `mutation { a: ${one("true", "doc/a")} b: ${one("true", "doc/../b")} c: ${one("true", "doc/c")} }`,
    );
    expect(errors).toMatchObject([{ path: ["b"], extensions: { code: "BAD_INPUT" } }]);
    expect(data["b"]).toBeNull();
    for (const key of ["a", "c"]) {
      expect((await untilEnded(server, data[key]!.worker.id)).status).toBe("SUCCEEDED");
    }
  });

  test("a worker that isn't there is null, or WORKER_NOT_FOUND where something is asked of it", async () => {
    expect(await readWorker(server, "worker-999999")).toBeNull();
    expect(await readWorker(server, "nonsense")).toBeNull();
    for (const call of [
      `cancelWorker(input: { id: "worker-999999" }) { worker { id } }`,
      `retryWorker(input: { id: "nonsense" }) { worker { id } }`,
    ]) {
      expect(await server.codes(`mutation { ${call} }`)).toEqual(["WORKER_NOT_FOUND"]);
    }
  });
});
