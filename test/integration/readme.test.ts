// The README's tasks, run as they stand there: against a server of our own, with the README's repository at a git
// server of our own, and with the address and the token that the start prints for the reader.
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { parse } from "yaml";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { readSnippets, type Snippet } from "../support/readme.ts";
import { dispatch, eventually, untilEnded } from "../support/workers.ts";

const root = join(import.meta.dirname, "..", "..");
const snippets = readSnippets("README.md");
/** Stands for claude: a test needs no model. */
const agents = {
  agents: {
    claude: { command: ["git", "commit", "--allow-empty", "-m", "Fixed"], protocol: "plain" },
  },
};
const octocat = { owner: "octocat", name: "Hello-World" };

let git: GitServer;
let server: FactoryServer;
let folder: string;

beforeAll(async () => {
  git = await startGitServer();
  // What the repository on GitHub holds, and no more.
  await git.createRepository("octocat", "Hello-World", { files: { README: "Hello World!\n" } });
  folder = await mkdtemp(join(tmpdir(), "factory-readme-"));
  await symlink(join(root, "node_modules"), join(folder, "node_modules"));
  await symlink(join(root, "factory"), join(folder, "factory"));
  await writeFile(join(folder, "agents.json"), JSON.stringify(agents));
  server = await startFactory({
    git,
    env: {
      FACTORY_AGENTS: join(folder, "agents.json"),
      PATH: `${dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin`,
    },
  });
});

afterAll(async () => {
  await server.dispose();
  await git.stop();
  await rm(folder, { recursive: true, force: true });
});

function find(heading: string, language: string): Snippet {
  const found = snippets.find((each) => each.heading === heading && each.language === language);
  if (found === undefined) throw new Error(`the README has no ${language} under ${heading}`);
  return found;
}

interface Run {
  readonly lines: readonly string[];
  readonly process: ChildProcess;
  /** Its exit code. */
  readonly ended: Promise<number | null>;
  /** Ends it with all that it has started. */
  stop(): void;
}

function run(program: string, commandLine: readonly string[], env = {}): Run {
  const child = spawn(program, commandLine, {
    cwd: folder,
    env: {
      PATH: `${join(server.home, "bin")}:${dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin`,
      HOME: folder,
      FACTORY_URL: server.url,
      FACTORY_TOKEN: server.token,
      ...env,
    },
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: string[] = [];
  createInterface(child.stdout).on("line", (line) => lines.push(line));
  createInterface(child.stderr).on("line", (line) => lines.push(line));
  const { promise: ended, resolve } = Promise.withResolvers<number | null>();
  child.once("close", resolve);
  return {
    lines,
    process: child,
    ended,
    stop() {
      if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    },
  };
}

const shell = (text: string, env = {}) => run("bash", ["-c", text], env);

test("a first dispatch", async () => {
  const { text } = find("A first dispatch", "sh");
  const pasted = shell(text);
  try {
    await eventually(() => pasted.lines.filter((line) => line.includes("SUCCEEDED")).length === 3);
  } finally {
    // The watch goes on until it is ended; what comes after it:
    pasted.stop();
  }
  const rest = shell(text.slice(text.indexOf("\n", text.indexOf("factory watch me"))));
  expect([await rest.ended, rest.lines.at(-1)]).toEqual([0, "done"]);
});

test("the same over GraphQL", async () => {
  const given = `export FACTORY_URL=${server.url} FACTORY_TOKEN=${server.token}`;
  const { text } = find("The same over GraphQL", "sh");
  expect(text).toContain("export FACTORY_URL=http://127.0.0.1:4000 FACTORY_TOKEN=…");
  const pasted = shell(text.replace(/^export .*$/m, given));
  try {
    await eventually(
      () => pasted.lines.filter((line) => line.includes('"SUCCEEDED"')).length === 6,
    );
    expect(pasted.lines.filter((line) => line.includes('"errors"'))).toEqual([]);
  } finally {
    pasted.stop();
  }
});

test("the tests on five branches at once: it ends well where all pass, and not where one fails", async () => {
  const { text } = find("Run the tests on five branches at once", "sh");
  const passed = shell(text);
  expect([await passed.ended, passed.lines]).toEqual([0, expect.any(Array)]);
  expect(passed.lines.filter((line) => line.includes("SUCCEEDED"))).toHaveLength(5);

  const failing = text.replace("grep World README", "test $branch != docs");
  expect(await shell(failing).ended).toBe(1);
});

test("the command: one is followed to its end, and its exit code is the work's", async () => {
  const text = find("The command", "sh").text.split("\n").slice(0, 2).join("\n");
  const passed = shell(text);
  expect([await passed.ended, passed.lines]).toEqual([0, expect.any(Array)]);
  expect(passed.lines).toContain("Hello World!");
  expect(await shell(text.replace("World", "Word")).ended).toBe(1);
});

test("the job of CI: its end is the worker's, and the work is pushed", async () => {
  const workflow = parse(find("Dispatch from CI", "yaml").text) as {
    jobs: { work: { steps: { run: string; env?: Record<string, string> }[] } };
  };
  const step = workflow.jobs.work.steps.at(-1)!;
  expect(Object.keys(step.env ?? {})).toEqual(["ISSUE", "RUN", "FACTORY_URL", "FACTORY_TOKEN"]);
  const env = { ISSUE: "https://github.com/octocat/Hello-World/issues/7", RUN: "1-1" };
  const first = shell(step.run, env);
  expect([await first.ended, first.lines]).toEqual([0, expect.any(Array)]);
  expect(await git.git("octocat", "Hello-World", "log", "-1", "--format=%s", "issue-7")).toMatch(
    /^Fixed\s*$/,
  );
  // Once more, as after a lost connection: it is the same worker.
  expect(await shell(step.run, env).ended).toBe(0);
  const { parentSession } = await server.query<{
    parentSession: { workerCounts: { total: number } };
  }>(`{ parentSession(name: "ci") { workerCounts { total } } }`);
  expect(parentSession.workerCounts.total).toBe(1);
});

test("a script over REST", async () => {
  const script = shell(`set -e\n${find("Use it from a script", "sh").text}`);
  expect([await script.ended, script.lines]).toEqual([0, expect.any(Array)]);
});

test("a frontend that subscribes hears of every change once, over a restart of the server too", async () => {
  const { text } = find("Subscribe from a frontend", "js");
  expect(text.split("\n").length).toBeLessThanOrEqual(22);
  const program = text
    .replace("ws://127.0.0.1:4000", server.url.replace("http", "ws"))
    .replace("YOUR-TOKEN", server.token);
  await writeFile(join(folder, "frontend.mjs"), program);
  const frontend = run(process.execPath, ["frontend.mjs"]);
  // Beside what it says of the connections that were lost.
  const heard = () =>
    frontend.lines
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line) as { sequence: number });
  const work = async () => {
    const input = { parentSession: "commander", repository: octocat, task: "true" };
    await untilEnded(server, (await dispatch(server, input)).name);
  };
  try {
    await work();
    await eventually(() => heard().length === 4);
    await server.terminate();
    server = await server.restart({ PORT: new URL(server.url).port });
    await work();
    await eventually(() => heard().length >= 8);
    expect(heard().map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  } finally {
    frontend.stop();
  }
});

test("a frontend with a token that is refused ends, says why, and doesn't ask again and again", async () => {
  const program = find("Subscribe from a frontend", "js")
    .text.replace("ws://127.0.0.1:4000", server.url.replace("http", "ws"))
    .replace("YOUR-TOKEN", "not-the-token");
  await writeFile(join(folder, "refused.mjs"), program);
  const frontend = run(process.execPath, ["refused.mjs"]);
  try {
    expect(await frontend.ended).toBe(1);
    expect(frontend.lines.filter((line) => line.startsWith("closed"))).toEqual([
      "closed: 4403 Forbidden",
    ]);
  } finally {
    frontend.stop();
  }
});
