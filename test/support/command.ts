// The `factory` command as people and scripts run it: a process of its own, with pipes or in a terminal.
import { spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { spawn as spawnInTerminal } from "@lydell/node-pty";
import { compileCache } from "./compile-cache.ts";
import type { FactoryServer } from "./factory.ts";

export const main = join(import.meta.dirname, "..", "..", "src", "main.ts");
const waitTimeoutMs = 30_000;

export interface CommandResult {
  /** null: a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCommand {
  readonly process: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Resolves once standard output, or what else is given, holds it. */
  until(text: string | RegExp, read?: () => string): Promise<void>;
  readonly ended: Promise<CommandResult>;
}

export interface CommandOptions {
  /** Beside FACTORY_HOME; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly input?: string;
  /** Default: the command. */
  readonly program?: string;
}

/** On the server's own machine, where nothing but FACTORY_HOME says where it is. */
export function startCommand(
  server: Pick<FactoryServer, "home">,
  args: readonly string[],
  { env = {}, input, program }: CommandOptions = {},
): RunningCommand {
  const commandLine = program === undefined ? [main, ...args] : [...args];
  const child = spawn(program ?? process.execPath, commandLine, {
    env: environmentFor(server, env),
    stdio: ["pipe", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  const waiting = new Set<() => void>();
  const wake = () => {
    for (const look of waiting) look();
  };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    wake();
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    wake();
  });
  // One that reads nothing may have ended before.
  child.stdin.on("error", () => undefined);
  child.stdin.end(input ?? "");
  const ended = new Promise<CommandResult>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      resolve({ code, stdout, stderr });
      wake();
    });
  });
  return {
    process: child,
    stdout: () => stdout,
    stderr: () => stderr,
    until: (text, read = () => stdout) => untilHolds(waiting, read, text, () => stderr),
    ended,
  };
}

export async function runCommand(
  server: Pick<FactoryServer, "home">,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const running = startCommand(server, args, options);
  const timer = setTimeout(() => running.process.kill("SIGKILL"), waitTimeoutMs);
  try {
    return await running.ended;
  } finally {
    clearTimeout(timer);
  }
}

/** What it printed with --json. */
export async function runJson<Value>(
  server: Pick<FactoryServer, "home">,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<Value> {
  const { code, stdout, stderr } = await runCommand(server, [...args, "--json"], options);
  if (code !== 0) throw new Error(`${args.join(" ")} ended with ${String(code)}: ${stderr}`);
  return JSON.parse(stdout) as Value;
}

export interface Terminal {
  /** All that came, escapes included. */
  readonly raw: () => string;
  /** The same without escapes, and with the lines of a file. */
  readonly text: () => string;
  until(text: string | RegExp): Promise<void>;
  type(keys: string): void;
  /** Its exit code, and the signal that ended it, if any. */
  readonly ended: Promise<{ readonly code: number; readonly signal: number }>;
  kill(): void;
}

export interface TerminalOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly columns?: number;
  /** Default: the command. */
  readonly program?: string;
}

/** In a pseudo terminal of 80 columns. */
export function openTerminal(
  server: Pick<FactoryServer, "home">,
  args: readonly string[],
  { env = {}, columns = 80, program }: TerminalOptions = {},
): Terminal {
  const commandLine = program === undefined ? [main, ...args] : [...args];
  const terminal = spawnInTerminal(program ?? process.execPath, commandLine, {
    cols: columns,
    rows: 24,
    name: "xterm-256color",
    env: { TERM: "xterm-256color", ...environmentFor(server, env) },
  });
  let raw = "";
  const waiting = new Set<() => void>();
  const wake = () => {
    for (const look of waiting) look();
  };
  terminal.onData((data) => {
    raw += data;
    wake();
  });
  const text = () => stripVTControlCharacters(raw).replaceAll("\r\n", "\n");
  const ended = new Promise<{ code: number; signal: number }>((resolve) => {
    terminal.onExit(({ exitCode, signal = 0 }) => {
      resolve({ code: exitCode, signal });
      wake();
    });
  });
  return {
    raw: () => raw,
    text,
    until: (wanted) => untilHolds(waiting, text, wanted, () => raw),
    type: (keys) => {
      terminal.write(keys);
    },
    ended,
    kill: () => {
      terminal.kill("SIGKILL");
    },
  };
}

function environmentFor(
  { home }: Pick<FactoryServer, "home">,
  env: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const all = {
    ...compileCache,
    PATH: process.env["PATH"],
    HOME: home,
    LANG: "C.UTF-8",
    FACTORY_HOME: home,
    // One for all of a server's: it goes with its folder.
    XDG_CACHE_HOME: join(home, "cache"),
    ...env,
  };
  return Object.fromEntries(
    Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

async function untilHolds(
  waiting: Set<() => void>,
  read: () => string,
  wanted: string | RegExp,
  beside: () => string,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const look = () => {
    const text = read();
    if (typeof wanted === "string" ? text.includes(wanted) : wanted.test(text)) resolve();
  };
  const timer = setTimeout(() => {
    reject(new Error(`${String(wanted)} did not come; there is ${read()}\n${beside()}`));
  }, waitTimeoutMs);
  waiting.add(look);
  look();
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    waiting.delete(look);
  }
}
