// What the command follows for long: over restarts of the server, with readers that leave, and until it is interrupted.
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import {
  main,
  openTerminal,
  runCommand,
  startCommand,
  type RunningCommand,
  type Terminal,
} from "../support/command.ts";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { createGate, dispatch, followParent, untilEnded, untilStatus } from "../support/workers.ts";

let git: GitServer;
let server: FactoryServer;
const repository = { owner: "acme", name: "app" };
const started = new Set<RunningCommand>();
const terminals = new Set<Terminal>();

beforeAll(async () => {
  git = await startGitServer();
  await git.createRepository("acme", "app");
  server = await startFactory({ git });
});

afterAll(async () => {
  for (const { process } of started) process.kill("SIGKILL");
  for (const terminal of terminals) terminal.kill();
  await server.dispose();
  await git.stop();
});

const run = (...args: string[]) => runCommand(server, args);

function start(...args: string[]): RunningCommand {
  const command = startCommand(server, args);
  started.add(command);
  return command;
}

interface Change {
  readonly sequence: number;
  readonly status: string;
  readonly worker: { readonly name: string };
}

function changesOf(stdout: string): Change[] {
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Change);
}

test("logs -f, watch and dispatch --wait go on over a killed and a stopped server, and miss and repeat nothing", async () => {
  const gate = await createGate();
  const task = `echo one; ${gate.wait}; echo two; ${gate.wait}; echo three; ${gate.wait}; echo four`;
  const waiting = start(
    ...[
      "dispatch",
      task,
      "--parent",
      "restart",
      "--repo",
      "acme/app",
      "--agent",
      "shell",
      "--wait",
    ],
  );
  // Before the parent has dispatched: it is waited for.
  const watching = start("watch", "restart", "--json");
  await watching.until('"RUNNING"');
  const { name } = changesOf(watching.stdout())[0]!.worker;
  const logs = start("logs", name, "-f");
  await logs.until("one\n");
  const table = openTerminal(server, ["watch", "restart"]);
  terminals.add(table);
  await table.until("1 running");

  await server.kill();
  // Printed and told of while nobody is there to hear it.
  await gate.open();
  await watching.until("the connection is lost", watching.stderr);
  await table.until("the connection is lost");
  // It listens on another port, which the commands find by its address file.
  server = await server.restart();
  await logs.until("two\n");
  const second = await dispatch(server, { parentSession: "restart", task: "true", repository });
  await watching.until(second.name);

  await gate.open();
  await logs.until("three\n");
  expect(await server.terminate()).toBe(0);
  server = await server.restart();
  await gate.open();
  expect(await logs.ended).toMatchObject({ code: 0, stdout: "one\ntwo\nthree\nfour\n" });
  expect(await waiting.ended).toMatchObject({
    code: 0,
    stdout: expect.stringContaining(`${name} SUCCEEDED`),
  });
  await untilEnded(server, second.name);
  const all = followParent(server, "restart", 0);
  const told = (await all.first(8)).map(({ workerStatusChanged: { sequence, status } }) => [
    sequence,
    status,
  ]);
  all.end();
  await watching.until('"sequence":8');
  await table.until("2 succeeded");
  table.type("\u0003");
  expect(await table.ended).toMatchObject({ code: 130 });
  // At its end it is as it was last seen, without the word of trouble.
  expect(table.text().slice(table.text().lastIndexOf("restart  "))).not.toContain("lost");
  expect(changesOf(watching.stdout()).map(({ sequence, status }) => [sequence, status])).toEqual(
    told,
  );
  await gate.dispose();
});

test("a watch begins where it is told, and has a line for each change", async () => {
  const { name } = await dispatch(server, { parentSession: "lines", task: "exit 2", repository });
  await untilEnded(server, name);
  const whole = start("watch", "lines");
  await whole.until("FAILED");
  const lines = whole.stdout().trimEnd().split("\n");
  expect(lines).toHaveLength(4);
  expect(lines[3]).toMatch(
    new RegExp(`^ {3}4 {2}\\d\\d:\\d\\d:\\d\\d {2}${name} +FAILED +${name} {2}exit code 2$`),
  );
  const some = start("watch", "lines", "--after", "2", "--json");
  await some.until('"sequence":4');
  expect(changesOf(some.stdout()).map(({ sequence }) => sequence)).toEqual([3, 4]);

  const mistyped = start("watch", "linse");
  await mistyped.until(
    "linse has not dispatched yet, and is waited for. Did you mean lines?",
    mistyped.stderr,
  );
  mistyped.process.kill();
  expect(await run("watch", "lines", "--after", "99")).toMatchObject({
    code: 1,
    stdout: "",
    stderr: expect.stringMatching(/^factory: CURSOR_AHEAD: /),
  });
  expect(await run("watch", "lines", "--after", "soon")).toMatchObject({ code: 2 });
  for (const command of [whole, some]) {
    command.process.kill("SIGINT");
    expect(await command.ended).toMatchObject({ code: null });
    expect(command.process.signalCode).toBe("SIGINT");
  }
});

test("--after last tells what comes from then on alone", async () => {
  const gate = await createGate();
  const { name } = await dispatch(server, { parentSession: "last", task: gate.wait, repository });
  await untilStatus(server, name, "RUNNING");
  const watching = start("watch", "last", "--after", "last", "--json");
  // It stands when a change has come: which of several is the first, the server decides.
  const second = await untilHeard(watching);
  expect(changesOf(watching.stdout()).some((change) => change.worker.name === name)).toBe(false);
  watching.process.kill();
  await gate.open();
  await Promise.all([name, ...second].map((each) => untilEnded(server, each)));
  await gate.dispose();
});

/** Dispatches until it hears of one. */
async function untilHeard(watching: RunningCommand): Promise<string[]> {
  const names: string[] = [];
  while (watching.stdout() === "") {
    const { name } = await dispatch(server, { parentSession: "last", task: "true", repository });
    names.push(name);
    await untilEnded(server, name);
  }
  return names;
}

test("Ctrl-C leaves a worker that is waited for to itself", async () => {
  const gate = await createGate();
  const waiting = start(
    ...["dispatch", `echo on; ${gate.wait}`, "--parent", "left", "--repo", "acme/app"],
    ...["--agent", "shell", "--follow"],
  );
  await waiting.until("on\n");
  waiting.process.kill("SIGINT");
  const { code, stderr } = await waiting.ended;
  expect(code).toBe(130);
  const name = /(worker-\d+) goes on: "factory cancel worker-\d+" ends it/.exec(stderr)![1]!;
  await gate.open();
  expect(await untilEnded(server, name)).toMatchObject({ status: "SUCCEEDED" });
  await gate.dispose();
});

test("a slow reader gets all, and one that leaves ends it without a word", async () => {
  const { name } = await dispatch(server, { parentSession: "me", task: "seq 100000", repository });
  await untilEnded(server, name);
  const command = `"${process.execPath}" "${main}"`;
  // More than a pipe holds.
  const slow = startShell(`${command} logs ${name} | (sleep 0.5; tail -n 1; wc -c); echo "$?"`);
  expect((await slow.ended).stdout).toBe("100000\n0\n0\n");
  const list = startShell(`${command} logs ${name} --json | (sleep 0.5; wc -l)`);
  expect(Number((await list.ended).stdout)).toBeGreaterThan(5);
  const { ended } = startShell(`${command} logs ${name} | head -n 1; echo "$?:\${PIPESTATUS[*]}"`);
  expect(await ended).toEqual({ code: 0, stdout: "1\n0:141 0\n", stderr: "" });
});

function startShell(line: string): RunningCommand {
  // The command's own process is a shell that starts it.
  return startCommand(server, ["-c", line], { program: "bash" });
}

test("the address of a server is there while it runs, and one that was killed is not asked", async () => {
  const file = join(server.home, "address");
  expect(JSON.parse(await readFile(file, "utf8"))).toMatchObject({
    url: server.url,
    pid: server.process.pid,
  });
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(await server.terminate()).toBe(0);
  await expect(stat(file)).rejects.toThrow("ENOENT");
  expect(await run("workers")).toEqual({
    code: 3,
    stdout: "",
    stderr: `factory: no server runs here (there is no ${file}): start one with npm start, or set FACTORY_URL and FACTORY_TOKEN to one elsewhere\n`,
  });

  server = await server.restart();
  expect(await run("workers")).toMatchObject({ code: 0 });
  const watching = start("watch", "nobody");
  const { url } = server;
  await server.kill();
  expect(await run("workers")).toMatchObject({
    code: 3,
    stderr: expect.stringContaining(`the server that has left ${file} has ended`),
  });
  expect(await runCommand(server, ["workers"], { env: { FACTORY_URL: url } })).toMatchObject({
    code: 3,
    stderr: `factory: no server at ${url} was reached (ECONNREFUSED): see whether it runs, or correct FACTORY_URL\n`,
  });
  watching.process.kill();
  server = await server.restart();
});

test("a token that is missing or wrong is told with what to do", async () => {
  const { home, url } = server;
  const as = (env: Readonly<Record<string, string | undefined>>) =>
    runCommand(server, ["workers"], { env });
  expect(await as({ FACTORY_TOKEN: "wrong" })).toEqual({
    code: 1,
    stdout: "",
    stderr: expect.stringMatching(
      /^factory: UNAUTHENTICATED: .* FACTORY_TOKEN is not the token of this server/,
    ),
  });
  // A token of this machine goes to no other.
  expect(await as({ FACTORY_URL: "http://factory.example.org" })).toMatchObject({
    code: 3,
    stderr: expect.stringContaining("FACTORY_TOKEN is not set"),
  });
  expect(await as({ FACTORY_HOME: "/nowhere", FACTORY_URL: url })).toMatchObject({
    code: 3,
    stderr: expect.stringContaining("there is no /nowhere/token"),
  });
  expect(await as({ FACTORY_URL: `${url}/`, FACTORY_HOME: home })).toMatchObject({ code: 0 });
  expect(await as({ FACTORY_URL: url.replace("http:", "https:") })).toMatchObject({
    code: 3,
    stderr: expect.stringContaining("try http:// in FACTORY_URL"),
  });
  expect(await as({ FACTORY_URL: "factory.example.org" })).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("FACTORY_URL must be"),
  });
});
