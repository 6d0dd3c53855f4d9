// The `factory` command in a pseudo terminal: what people see, and what must not reach their terminal.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { main, openTerminal, type Terminal, type TerminalOptions } from "../support/command.ts";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { untilAsked, writeScriptedAgents } from "../support/talks.ts";
import { cancel, createGate, dispatch, untilEnded, untilStatus } from "../support/workers.ts";

let git: GitServer;
let server: FactoryServer;
let folder: string;
const repository = { owner: "acme", name: "app" };
const terminals = new Set<Terminal>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "factory-terminal-"));
  git = await startGitServer();
  await git.createRepository("acme", "app");
  server = await startFactory({ git, env: { FACTORY_AGENTS: await writeScriptedAgents(folder) } });
});

afterAll(async () => {
  for (const terminal of terminals) terminal.kill();
  await server.dispose();
  await git.stop();
  await rm(folder, { recursive: true, force: true });
});

function open(args: readonly string[], options?: TerminalOptions): Terminal {
  const terminal = openTerminal(server, args, options);
  terminals.add(terminal);
  return terminal;
}

async function see(args: readonly string[], options?: TerminalOptions): Promise<Terminal> {
  const terminal = open(args, options);
  await terminal.ended;
  return terminal;
}

const red = "\u001b[31m";

test("a clone shows how far it is, on a line that is gone when it is there", async () => {
  const hold = git.hold(/git-upload-pack/);
  const terminal = open(["clone", "acme/app"]);
  await hold.arrived;
  await terminal.until("acme/app cloning").finally(() => hold.release());
  expect(await terminal.ended).toMatchObject({ code: 0 });
  expect(terminal.text()).toMatch(/acme\/app is cloned: main is at [0-9a-f]{8}\n$/);
  // The cursor is back, and the line was taken away.
  expect(terminal.raw()).toContain("\u001b[?25h");
  expect(terminal.raw()).toContain("\u001b[2K");
});

test("an empty list says what to do next", async () => {
  expect((await see(["workers"])).text()).toMatch(
    /^No workers yet.\nfactory dispatch .* dispatches one\n$/,
  );
});

test("a table fits into the terminal, has colours, and loses what would act on the terminal", async () => {
  const task = `exit 3 # ${"long ".repeat(50)}\u001b]0;title\u0007日本語\n${red}second line`;
  const { name } = await dispatch(server, { parentSession: "table", task, repository });
  await untilEnded(server, name);
  const terminal = await see(["workers", "--parent", "table"]);
  const lines = terminal.text().trimEnd().split("\n");
  expect(lines).toHaveLength(2);
  expect(lines[1]).toMatch(
    new RegExp(`^${name} +FAILED +\\d+s +shell +${name} +exit code 3: exit 3 # long .*…$`),
  );
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
  expect(terminal.raw()).toContain(`${red}FAILED\u001b[39m`);
  expect(terminal.raw()).not.toContain("\u001b]");

  const wide = await see(["workers", "--parent", "table"], { columns: 400 });
  expect(wide.text()).toContain("日本語 second line");
  expect(wide.raw()).not.toContain(`${red}second`);
  const plain = await see(["workers", "--parent", "table"], { env: { NO_COLOR: "1" } });
  expect(plain.raw()).not.toContain("\u001b[");
});

test("a log keeps its colours and loses what moves the cursor, unless it is asked for raw", async () => {
  // No secret begins with its last letter, which would be held back for a moment.
  const task = `printf 'a${String.raw`\033[31mred\033]0;title\007\033[2J\033[5A!`}'; factory report "half done"`;
  const { name } = await dispatch(server, { parentSession: "log", task, repository });
  await untilEnded(server, name);
  const terminal = await see(["logs", name]);
  // Everybody begins on a line of their own.
  expect(terminal.text()).toBe(`ared!\n→ half done\n${name} SUCCEEDED: no commits were made\n`);
  expect(terminal.raw()).toContain(`a${red}red!`);
  expect(terminal.raw()).toContain("\u001b[0m");
  const raw = await see(["logs", name, "--raw"]);
  expect(raw.raw()).toContain(`a${red}red\u001b]0;title\u0007\u001b[2J\u001b[5A!`);
});

test("a diff is coloured, and what its lines hold is made harmless", async () => {
  const task = String.raw`printf 'new\033[2J\n' >new.txt`;
  const { name } = await dispatch(server, { parentSession: "diff", task, repository });
  await untilEnded(server, name);
  const terminal = await see(["diff", name]);
  expect(terminal.raw()).toContain("\u001b[32m+new\u001b[39m");
  expect(terminal.raw()).not.toContain("\u001b[2J");
});

test("what an agent says, does and asks is told in its order", async () => {
  const { name } = await dispatch(server, {
    ...{ parentSession: "talk", agent: "scripted", repository },
    task: "do: think Hm.\ndo: say I look.\ndo: tool read Read README.md\ndo: say Done.",
  });
  await untilEnded(server, name);
  const text = (await see(["logs", name])).text();
  expect(text.replace(/^(> .*\n)+/m, "")).toBe(
    `Hm.\nI look.\n● Read README.md\nDone.\n${name} SUCCEEDED: no commits were made\n`,
  );
});

test("a watch is a table that follows the workers, waits for a first one, and leaves the terminal in order", async () => {
  const terminal = open(["watch", "live"]);
  await terminal.until("live has not dispatched yet, and is waited for.");
  const gate = await createGate();
  const { name } = await dispatch(server, { parentSession: "live", task: gate.wait, repository });
  await terminal.until(new RegExp(`${name} +RUNNING`));
  await terminal.until("1 running");
  await gate.open();
  await terminal.until("1 succeeded");
  expect(await untilEnded(server, name)).toMatchObject({ status: "SUCCEEDED" });
  terminal.type("\u0003");
  expect(await terminal.ended).toEqual({ code: 130, signal: 0 });
  expect(terminal.raw().lastIndexOf("\u001b[?25h")).toBeGreaterThan(
    terminal.raw().lastIndexOf("\u001b[?25l"),
  );
  await gate.dispose();
});

test("a question is asked in the terminal, and answered by its number", async () => {
  const { name } = await dispatch(server, {
    ...{ parentSession: "ask", agent: "scripted", permissions: "ASK", repository },
    task: "do: ask Delete all\ndo: wait-cancel",
  });
  await untilAsked(server, name);
  const left = open(["answer", name]);
  await left.until("Answer (Enter leaves it):");
  left.type("\r");
  expect(await left.ended).toMatchObject({ code: 0 });
  const terminal = open(["answer", name]);
  await terminal.until("Answer (Enter leaves it):");
  expect(terminal.text()).toMatch(/Delete all +\(request .*\)\n {2}kind: execute\n {2}1 {2}\w/);
  terminal.type("1\r");
  await terminal.until(`${name} is answered: RUNNING`);
  expect(await terminal.ended).toMatchObject({ code: 0 });
  await cancel(server, name);
  await untilEnded(server, name);
});

test("a dispatch says where to look, and one that is followed can be left", async () => {
  const gate = await createGate();
  const place = ["--parent", "me", "--repo", "acme/app", "--agent", "shell"];
  const terminal = open(["dispatch", `echo on; ${gate.wait}`, ...place, "--follow"]);
  await terminal.until("on\n");
  terminal.type("\u0003");
  expect(await terminal.ended).toMatchObject({ code: 130 });
  const name = /(worker-\d+) goes on/.exec(terminal.text())![1]!;
  await untilStatus(server, name, "RUNNING");
  await gate.open();
  await untilEnded(server, name);
  const next = await see(["dispatch", "true", ...place]);
  expect(next.text()).toMatch(
    /^worker-\d+ QUEUED: .*\nfactory logs worker-\d+ -f +shows what it prints\n$/,
  );
  await untilEnded(server, /worker-\d+/.exec(next.text())![0]);
  await gate.dispose();
});

test("bash completes commands, flags and names, and runs nothing of the line", async () => {
  const bin = join(folder, "factory");
  await writeFile(bin, `#!/bin/sh\nexec "${process.execPath}" "${main}" "$@"\n`, { mode: 0o755 });
  const terminal = open(["--norc", "-i"], {
    program: "bash",
    columns: 200,
    env: { PS1: "ready> ", PATH: `${folder}:${process.env["PATH"] ?? ""}` },
  });
  await terminal.until("ready> ");
  // As it is typed, it isn't what it prints.
  terminal.type('source <(factory completion bash); echo "load"ed\r');
  await terminal.until("loaded");
  terminal.type("factory disp\t");
  await terminal.until("factory dispatch ");
  terminal.type(`"$(touch ${join(folder, "touched")})" --ag\t`);
  await terminal.until("--agent ");
  terminal.type("sh\t");
  await terminal.until("--agent shell ");
  terminal.type("\u0003");
  terminal.type(`ls ${folder}; exit\r`);
  await terminal.ended;
  expect(terminal.text()).not.toMatch(/^touched/m);
});
