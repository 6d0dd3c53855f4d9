// The `factory` command against a real server, in pipes: what each command does, prints and refuses.
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import pg from "pg";
import { runCommand, runJson, type CommandOptions } from "../support/command.ts";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { untilAsked, untilSaid, writeScriptedAgents } from "../support/talks.ts";
import {
  createGate,
  dispatch,
  readWorker,
  untilEnded,
  untilPrinted,
  untilStatus,
} from "../support/workers.ts";

let git: GitServer;
let server: FactoryServer;
let folder: string;
const repository = { owner: "acme", name: "app" };
const place = ["--parent", "me", "--repo", "acme/app", "--agent", "shell"];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "factory-command-"));
  git = await startGitServer();
  await git.createRepository("acme", "app");
  server = await startFactory({
    git,
    env: {
      FACTORY_AGENTS: await writeScriptedAgents(folder),
      FACTORY_MAX_WORKERS: "8",
    },
  });
});

afterAll(async () => {
  await server.dispose();
  await git.stop();
  await rm(folder, { recursive: true, force: true });
});

const run = (args: readonly string[], options?: CommandOptions) =>
  runCommand(server, args, options);
const json = <Value>(...args: string[]) => runJson<Value>(server, args);

/** It says why in its first line, and nothing on standard output. */
async function expectRefusal(args: readonly string[], code: number, ...words: readonly string[]) {
  const refused = await run(args);
  expect(refused).toMatchObject({ code, stdout: "", stderr: expect.stringMatching(/^factory: /) });
  for (const word of words) expect(refused.stderr).toContain(word);
  return refused.stderr;
}

describe("repositories and worktrees", () => {
  test("what is empty says so, and a first clone is waited for", async () => {
    expect((await run(["repos"])).stdout).toBe("No repositories yet.\n");
    expect((await run(["workers"])).stdout).toBe("No workers yet.\n");
    expect((await run(["worktree", "list"])).stdout).toBe("No worktrees yet.\n");
    expect(await json("repos")).toEqual([]);
    expect(await run(["clone", "acme/app"])).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^acme\/app is cloned: main is at [0-9a-f]{8}\n$/),
      stderr: "",
    });
    expect((await run(["clone", "acme/app"])).stdout).toContain("was there already");
    expect(await json("clone", "acme/app")).toMatchObject({
      nameWithOwner: "acme/app",
      status: "SYNCED",
      defaultBranch: "main",
      created: false,
    });
    expect((await run(["repos"])).stdout).toMatch(
      /^REPOSITORY +STATUS +BRANCH +COMMIT +SYNCED\nacme\/app +SYNCED +main +[0-9a-f]{8} +\d+s ago\n$/,
    );
  });

  test("a clone that fails tells why, by its code, and the list shows it", async () => {
    await expectRefusal(["clone", "acme/nothing"], 1, "factory: REMOTE_NOT_FOUND: ");
    expect((await run(["repos"])).stdout).toMatch(/acme\/nothing +FAILED .*REMOTE_NOT_FOUND/);
    await expectRefusal(
      ["clone", "acme/app", "--url", git.url("acme", "x")],
      1,
      "REPOSITORY_CONFLICT",
    );
  });

  test("a sync fetches, and says whether the branch moved", async () => {
    const tip = await git.pushCommit("acme", "app", "main", { "new.txt": "new\n" });
    expect((await run(["sync", "acme/app"])).stdout).toBe(
      `acme/app is synced: main is at ${tip.slice(0, 8)}, which moved\n`,
    );
    expect(await json("sync", "acme/app")).toMatchObject({ headCommit: tip, updated: false });
    const said = await expectRefusal(["sync", "acme/ap"], 1, "REPOSITORY_NOT_FOUND");
    expect(said).toMatch(/Did you mean acme\/app\?\n$/);
  });

  test("a worktree is created, listed, and deleted without loss, or by force", async () => {
    const created = await json<{ path: string }>("worktree", "create", "acme/app", "try/it");
    expect(created).toMatchObject({ branch: "try/it", status: "READY", created: true });
    expect((await stat(join(created.path, "README.md"))).isFile()).toBe(true);
    const again = await run(["worktree", "create", "acme/app", "try/it"]);
    expect(again.stdout).toBe(
      `try/it was checked out already, from ${/from (.*)\n/.exec(again.stdout)![1]!}\n${created.path}\n`,
    );

    await writeFile(join(created.path, "work.txt"), "work");
    const listed = await run(["worktree", "list", "acme/app", "--changes"]);
    expect(listed.stdout).toMatch(/^BRANCH +STATUS +WORKER +CHANGED +COMMITS +PATH\n/);
    expect(listed.stdout).toMatch(new RegExp(`try/it +READY +1 +0 +${created.path}\n`));
    expect(await json("worktree", "list", "acme/app")).toMatchObject([{ path: created.path }]);

    const deletion = ["worktree", "delete", "acme/app", "try/it"];
    await expectRefusal(deletion, 1, "WORKTREE_DIRTY", "1 changed or untracked file (", "--force");
    expect((await run([...deletion, "--force"])).stdout).toBe(
      "the worktree of try/it is deleted\n",
    );
    await expect(stat(created.path)).rejects.toThrow("ENOENT");
  });

  test.each([
    [["worktree", "create", "acme/app", "b", "--base", "nope"], 1, "BASE_NOT_FOUND"],
    [["worktree", "delete", "acme/app", "nope"], 1, "WORKTREE_NOT_FOUND"],
    [["worktree", "list", "acme/none"], 1, "REPOSITORY_NOT_FOUND"],
    [["worktree", "create", "acme/app"], 2, "missing required argument 'BRANCH'"],
    [["clone", "https://github.com/octocat/Hello-World.git"], 2, "octocat/Hello-World"],
    [["clone", "app"], 2, "OWNER/NAME"],
    [["sync"], 2, "missing required argument 'OWNER/NAME'"],
  ])("%j ends with %d and says %s", async (args, code, word) => {
    await expectRefusal(args, code, word);
  });
});

interface Told {
  readonly name: string;
  readonly status: string;
  readonly created: boolean;
}

describe("dispatching", () => {
  test("a dispatch answers at once with the worker; all that may be given reaches the server", async () => {
    const { code, stdout } = await run(["dispatch", "true", ...place]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^worker-\d+ QUEUED: acme\/app, branch worker-\d+\n$/);
    const given = [
      ...["--issue", "42", "--branch", "all", "--base", "main", "--priority", "-3"],
      ...["--timeout", "60", "--cleanup", "on-success", "--key", "k-1", "--push", "--retries", "2"],
    ];
    const first = await json<Told>("dispatch", "sleep 0", ...place, ...given);
    expect(first).toMatchObject({
      ...{ branch: "all", base: "main", issue: "42", priority: -3, timeoutSeconds: 60 },
      ...{ cleanup: "ON_SUCCESS", push: true, created: true, parentSession: { name: "me" } },
    });
    const again = await run(["dispatch", "sleep 0", ...place, ...given]);
    expect(again.stdout).toContain(first.name);
    expect(again.stderr).toContain("dispatched before");
    expect(await untilEnded(server, first.name)).toMatchObject({ status: "SUCCEEDED" });

    const talking = await json<Told>(
      ...["dispatch", "do: say hi", "--parent", "me", "--repo", "acme/app", "--agent", "scripted"],
      ...["--permissions", "deny", "--max-cost", "2.5", "--max-turns", "7"],
    );
    const { workerSession } = await server.query<{ workerSession: unknown }>(
      "query ($id: ID!) { workerSession(id: $id) { permissions maxCostUsd maxTurns } }",
      { id: talking.name },
    );
    expect(workerSession).toEqual({ permissions: "DENY", maxCostUsd: 2.5, maxTurns: 7 });
  });

  test("the task may come from standard input", async () => {
    const input = "echo 'from a file'\necho and more";
    const { code, stdout } = await run(["dispatch", "-", ...place, "--follow"], { input });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^from a file\nand more\nworker-\d+ SUCCEEDED/);
  });

  test("--wait prints the ended worker, and its exit code is the work's", async () => {
    const good = await run([
      ...[
        "dispatch",
        "echo x >added.txt; git add .; git commit -qm Add; factory report 'all done'",
      ],
      ...[...place, "--wait"],
    ]);
    expect(good.code).toBe(0);
    expect(good.stdout).toMatch(
      /^worker-\d+ SUCCEEDED after \d+s\n {2}acme\/app, branch worker-\d+\n {2}1 commit, 1 file changed, \+1 -0\n {2}all done\n$/,
    );
    const bad = await run(["dispatch", "exit 7", ...place, "--wait", "--json"]);
    expect(bad.code).toBe(1);
    expect(JSON.parse(bad.stdout)).toMatchObject({ status: "FAILED", exitCode: 7, commits: [] });
    const impossible = await run(["dispatch", "true", ...place, "--base", "nope", "--wait"]);
    expect(impossible.code).toBe(1);
    expect(impossible.stdout).toMatch(/^worker-\d+ FAILED: base "nope" is neither/);
  });

  test("with --follow and --json its events are lines, and the last one is the worker", async () => {
    const { code, stdout } = await run(["dispatch", "echo hi", ...place, "--follow", "--json"]);
    const lines = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { sequence?: number });
    expect(code).toBe(0);
    expect(lines.slice(0, -1).map(({ sequence }) => sequence)).toEqual(
      lines.slice(0, -1).map((_, index) => index + 1),
    );
    expect(lines).toContainEqual(expect.objectContaining({ channel: "STDOUT", text: "hi\n" }));
    expect(lines.at(-1)).toMatchObject({ status: "SUCCEEDED", branch: expect.any(String) });
  });

  test("inside a worker parent, repository and token are its own", async () => {
    const task =
      "factory dispatch 'echo child' --agent shell --follow && factory workers && factory status";
    const { name } = await dispatch(server, { parentSession: "outer", task, repository });
    const { status, stdout } = await untilEnded(server, name);
    expect(status).toBe("SUCCEEDED");
    expect(stdout).toMatch(/^child\nworker-\d+ SUCCEEDED/);
    const child = /worker-\d+/.exec(stdout)![0];
    const { workerSession } = await server.query<{ workerSession: unknown }>(
      "query ($id: ID!) { workerSession(id: $id) { parentSession { name } repositoryName } }",
      { id: child },
    );
    expect(workerSession).toEqual({ parentSession: { name }, repositoryName: "acme/app" });
    // Of the list, itself and its child; of the status, what a worker may know.
    expect(stdout).toMatch(/^WORKER +STATUS +AGE +AGENT +PARENT +BRANCH +TASK\n/m);
    expect(stdout).not.toContain("Runners");
  });

  test.each([
    [["dispatch", "true", "--parent", "me"], 2, "--repo is missing"],
    [["dispatch", "true", "--repo", "acme/app"], 2, "--parent is missing"],
    [["dispatch", "two", "words", ...place], 2, "dispatch takes one TASK: put it in quotes"],
    [["dispatch", "true", ...place, "--priority", "high"], 2, "must be a whole number"],
    [["dispatch", "true", ...place, "--cleanup", "never"], 2, "keep, on-success or always"],
    [["dispatch", "true", ...place, "--agent", "shel"], 1, "AGENT_UNKNOWN"],
    [["dispatch", "true", ...place, "--timeout", "0"], 1, "BAD_INPUT: timeoutSeconds"],
    [["dispatch", " ", ...place], 1, "BAD_INPUT: task"],
  ])("%j ends with %d and says %s", async (args, code, word) => {
    await expectRefusal(args, code, word);
  });
});

describe("looking", () => {
  test("the list says each worker's status, and takes filters", async () => {
    const task = "echo a; exit 3 # \u001b]0;title\u0007and\nmore\u202e";
    const { name } = await dispatch(server, { parentSession: "list", task, repository });
    await untilEnded(server, name);
    const gate = await createGate();
    const held = await dispatch(server, { parentSession: "list", task: gate.wait, repository });
    await untilStatus(server, held.name, "RUNNING");

    const table = (await run(["workers", "--parent", "list"])).stdout.split("\n");
    expect(table[0]).toMatch(/^WORKER +STATUS +AGE +AGENT +BRANCH +TASK$/);
    expect(table[1]).toMatch(
      new RegExp(
        `^${name} +FAILED +\\d+s +shell +${name} +exit code 3: echo a; exit 3 # and more$`,
      ),
    );
    expect(table[2]).toContain("RUNNING");
    const failed = await json<Told[]>(
      "workers",
      "--parent",
      "list",
      "--status",
      "failed,TIMED_OUT",
    );
    expect(failed).toMatchObject([{ name, statusReason: "exit code 3", exitCode: 3, task }]);
    const unknown = await run(["workers", "--parent", "nobody"]);
    expect(unknown.stdout).toBe("No such workers.\n");
    expect(unknown.stderr).toMatch(/^nobody has not dispatched yet\. The latest that did: \S/m);
    await expectRefusal(["workers", "--status", "sleeping"], 2, "queued, preparing,");
    await gate.open();
    await untilEnded(server, held.name);
    await gate.dispose();
  });

  test("a log is what was printed, byte for byte; with --json it is the events", async () => {
    const task = `printf '\\033[31mred\\033]0;t\\007\\n'; echo err >&2; factory report said; printf last`;
    const { name } = await dispatch(server, { parentSession: "logs", task, repository });
    await untilEnded(server, name);
    const logs = await run(["logs", name]);
    expect(logs.code).toBe(0);
    expect(logs.stdout).toContain("\u001b[31mred\u001b]0;t\u0007\n");
    expect(logs.stdout).toMatch(/last$|err\n$/);
    expect(logs.stdout).not.toContain("said");
    expect(logs.stderr).toBe("→ said\n");
    // By its number too; followed, an ended one's is the same.
    expect((await run(["logs", name.replace("worker-", ""), "-f"])).stdout).toBe(logs.stdout);
    const events = (await run(["logs", name, "--json"])).stdout.trimEnd().split("\n");
    expect(events.map((line) => (JSON.parse(line) as { sequence: number }).sequence)).toEqual(
      events.map((_, index) => index + 1),
    );
  });

  test("a diff is what git prints, and says where the work is when its worktree is gone", async () => {
    const task = "echo one >one.txt; git add .; git commit -qm One; echo two >two.txt";
    const { name } = await dispatch(server, { parentSession: "diff", task, repository });
    await untilEnded(server, name);
    const { stdout } = await run(["diff", name]);
    expect(stdout).toMatch(/^diff --git a\/one.txt b\/one.txt\n/);
    expect(stdout).toMatch(/\n\+two\n$/);
    expect(await json("diff", name)).toMatchObject({
      text: stdout,
      filesChanged: 2,
      truncated: false,
    });
    await run(["worktree", "delete", "acme/app", name, "--force"]);
    await expectRefusal(["diff", name], 1, "WORKTREE_NOT_FOUND", `its branch is ${name}`);
  });

  test("agents and the status are told", async () => {
    const agents = await run(["agents"]);
    expect(agents.stdout).toMatch(/^AGENT +AVAILABLE +CAN +WHY NOT\n/);
    expect(agents.stdout).toMatch(/^shell +yes +command task, terminal output$/m);
    expect(await json("agents")).toContainEqual({
      name: "shell",
      available: true,
      unavailableReason: null,
      capabilities: ["COMMAND_TASK", "TERMINAL_OUTPUT"],
    });
    const status = await run(["status"]);
    expect(status.stdout).toContain(`Factory at ${server.url}`);
    expect(status.stdout).toMatch(/^Workers +.*\d+ ended$/m);
    expect(await json("status")).toMatchObject({
      url: server.url,
      workers: { total: expect.any(Number) },
      runners: [{ alive: true, capacity: 8 }],
    });
  });
});

describe("steering", () => {
  test("a worker is cancelled, and done again", async () => {
    const gate = await createGate();
    const { name } = await dispatch(server, {
      parentSession: "steer",
      task: gate.wait,
      repository,
    });
    await untilStatus(server, name, "RUNNING");
    const cancelled = await run(["cancel", name, "--reason", "enough"]);
    expect(cancelled.stdout).toMatch(new RegExp(`^${name} is (being cancelled|CANCELLED)\n$`));
    expect(await untilEnded(server, name)).toMatchObject({
      status: "CANCELLED",
      statusReason: expect.stringContaining("enough"),
    });
    expect((await run(["cancel", name])).stdout).toBe(`${name} is CANCELLED\n`);
    const again = await json<Told>("retry", name, "--key", "r");
    expect(await readWorker(server, again.name)).toMatchObject({ previous: { name } });
    expect(await json("retry", name, "--key", "r")).toMatchObject({
      name: again.name,
      created: false,
    });
    await expectRefusal(["retry", again.name], 1, "WORKER_NOT_ENDED");
    await gate.dispose();
    await untilEnded(server, again.name);
    expect((await run(["cancel", again.name])).stdout).toContain("had ended before");
  });

  test("a worker that asks is answered, and hears what is sent", async () => {
    const { name } = await dispatch(server, {
      ...{ parentSession: "ask", agent: "scripted", permissions: "ASK", repository },
      task: "do: ask Delete all\ndo: wait-cancel",
    });
    const { id } = await untilAsked(server, name);
    const listed = await run(["answer", name]);
    expect(listed.stdout).toMatch(/^Delete all +\(request .*\)\n {2}kind: execute\n {2}1 {2}/);
    const asked = await json<{ id: string; options: { id: string; name: string }[] }[]>(
      "answer",
      name,
    );
    expect(asked).toMatchObject([{ id, title: "Delete all", answer: null }]);
    expect((await run(["status"])).stdout).toContain(`${name} waits for you: asks: Delete all`);
    await expectRefusal(["answer", name, "perhaps"], 2, 'no option "perhaps"');
    await expectRefusal(["answer", name, "1", "--request", "none"], 2, "--request must say which");
    expect((await run(["answer", name, asked[0]!.options[0]!.name])).stdout).toBe(
      `${name} is answered: RUNNING\n`,
    );
    await untilSaid(server, name, asked[0]!.options[0]!.id);
    expect((await run(["answer", name])).stdout).toBe(`${name} asks for nothing (RUNNING)\n`);
    expect((await run(["send", name, "do: say heard"])).stdout).toBe(
      `${name} hears it as its next turn\n`,
    );
    await run(["cancel", name]);
    await untilEnded(server, name);
    const next = await json<Told>("send", name, "do: say again");
    expect(next).toMatchObject({ created: true });
    await untilEnded(server, next.name);
    expect((await run(["logs", next.name])).stdout).toContain("again");
  });

  test("--children cancels what a worker has dispatched", async () => {
    const gate = await createGate();
    const task = `factory dispatch "${gate.wait.replaceAll('"', "")}" --agent shell --json; echo dispatched; ${gate.wait}`;
    const { name } = await dispatch(server, { parentSession: "family", task, repository });
    await untilPrinted(server, name, "dispatched");
    await run(["cancel", name, "--children"]);
    const [child] = await json<Told[]>("workers", "--parent", name);
    expect(await untilEnded(server, child!.name)).toMatchObject({ status: "CANCELLED" });
    await gate.dispose();
  });

  test.each([
    [["cancel", "worker-99999"], 1, "WORKER_NOT_FOUND"],
    [["logs", "worker-99999"], 1, "WORKER_NOT_FOUND"],
    [["diff", "nobody"], 1, "WORKER_NOT_FOUND"],
    [["answer", "worker-99999"], 1, "WORKER_NOT_FOUND"],
    [["retry", "wroker-1"], 1, "Did you mean worker-1?"],
    [["send", "worker-1", "hi"], 1, "NOT_SUPPORTED"],
    [["send", "worker-1", "hi", "you"], 2, "send takes one TEXT"],
    [["report", "done"], 1, "FORBIDDEN"],
    [["cancel"], 2, "missing required argument 'WORKER'"],
  ])("%j ends with %d and says %s", async (args, code, word) => {
    await expectRefusal(args, code, word);
  });
});

describe("the command line itself", () => {
  test("without anything it says what there is; help says more of each", async () => {
    const { code, stdout } = await run([]);
    expect(code).toBe(0);
    for (const name of ["dispatch TASK", "watch PARENT", "worktree", "completion SHELL"]) {
      expect(stdout).toContain(`  ${name} `);
    }
    const help = await run(["help", "dispatch"]);
    expect(help).toMatchObject({ code: 0, stdout: expect.stringContaining("--max-cost <USD>") });
    const deep = await run(["help", "worktree", "create"]);
    expect(deep).toMatchObject({ code: 0, stdout: expect.stringContaining("--base <REF>") });
    expect((await run(["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  test.each([
    [["wrokers"], "Did you mean workers?"],
    [["help", "wrokers"], "Did you mean workers?"],
    [["help", "worktree", "craete"], "Did you mean create?"],
    [["dispatch", "x", "--priority", "99999999999"], "from -2147483647 to 2147483647"],
    [["workers", "--parnet", "me"], "Did you mean --parent?"],
    [["worktree"], "Usage: factory worktree"],
    [["completion", "powershell"], "bash, zsh, fish"],
  ])("%j is wrong usage: %s", async (args, word) => {
    const { code, stdout, stderr } = await run(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(word);
  });

  test("names are completed from the server, and nothing is where none is there", async () => {
    const complete = async (words: string[], options?: CommandOptions) => {
      const { stdout } = await run(["complete", "--", ...words], options);
      return stdout.split("\n").map((line) => line.split("\t")[0]);
    };
    expect(await complete(["wor"])).toEqual(["workers", "worktree", ":4", ""]);
    expect(await complete(["logs", "worker-"])).toContain("worker-1");
    expect(await complete(["dispatch", "--parent", ""])).toContain("steer");
    expect(await complete(["dispatch", "--agent", "sh"])).toEqual(["shell", ":4", ""]);
    expect(await complete(["worktree", "delete", "acme/"])).toContain("acme/app");
    const nowhere = { env: { FACTORY_URL: "http://127.0.0.1:1" } };
    expect(await complete(["logs", ""], nowhere)).toEqual([":4", ""]);
  });
});

// Last, as what it makes is the latest of all.
test("the list has the latest hundred, unless all are asked for", async () => {
  const { name } = await dispatch(server, { parentSession: "many", task: "true", repository });
  await untilEnded(server, name);
  await copyWorker(name, 101);
  const latest = await run(["workers", "--parent", "many", "--json"]);
  expect(JSON.parse(latest.stdout)).toHaveLength(100);
  expect(latest.stderr).toBe("These are the latest 100: --all lists all.\n");
  const all = await run(["workers", "--parent", "many", "--all"]);
  expect(all).toMatchObject({ code: 0, stderr: "" });
  const lines = all.stdout.trimEnd().split("\n");
  expect(lines).toHaveLength(103);
  expect(lines[1]).toContain(`${name} `);
  // All are one table, however it is drawn.
  expect(new Set(lines.map((line) => line.search(/STATUS|SUCCEEDED/))).size).toBe(1);
});

/** As ended sessions, past the server: a hundred real ones take half a minute. */
async function copyWorker(name: string, count: number): Promise<void> {
  const database = new pg.Client({ connectionString: server.databaseUrl });
  await database.connect();
  try {
    await database.query(
      `WITH streams AS (
         INSERT INTO "Stream" (id, key) SELECT gen_random_uuid(), 'copy:' || n
         FROM generate_series(1, $2::int) AS n RETURNING id, substr(key, 6)::int AS n
       )
       INSERT INTO "WorkerSession" SELECT (jsonb_populate_record(worker, jsonb_build_object(
         'id', gen_random_uuid(), 'number', 10000 + n, 'streamId', streams.id,
         'tokenHash', null))).*
       FROM "WorkerSession" AS worker, streams WHERE worker.number = $1`,
      [Number(name.replace("worker-", "")), count],
    );
  } finally {
    await database.end();
  }
}
