import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { statfs } from "node:fs/promises";
import path from "node:path";
import { execa } from "execa";
import type { Caps } from "../caps.ts";
import { FactoryError } from "../errors.ts";
import { createCapGroups } from "./caps.ts";
import { createCgroup, removeCgroup } from "./cgroup.ts";
import { codeOf, hostFailure } from "./host-failure.ts";
import type { Identity } from "./identity.ts";
import { identitySchema, noncePattern, readIdentity } from "./identity.ts";
import { nonceVariable } from "./proc.ts";
import { sessionPaths } from "./session-folder.ts";
import { terminateAll } from "./terminate.ts";
import { createWake } from "../wake.ts";

export interface LaunchOptions {
  /** The session's folder, made by `createSessionFolder`. Short, as sockets below it end at 107 bytes. */
  readonly folder: string;
  /** The program and its arguments; searched in `env.PATH` unless it holds a slash. No secrets. */
  readonly command: readonly string[];
  /** Absolute path of the worktree. */
  readonly cwd: string;
  /**
   * The agent's whole environment; nothing is inherited. FACTORY_SESSION_NONCE and TMPDIR are set
   * here, whatever it says. Bash adds PWD and `_`. The only way for secrets.
   */
  readonly env: Readonly<Record<string, string>>;
  /** By which exit.json is known to be the shim's, see `readExit`; a secret of one line. Default: a random UUID. */
  readonly exitKey?: string;
  /** Unique per attempt, 8 to 128 letters, digits, - and _. Default: a random UUID. */
  readonly nonce?: string;
  /** What the agent and all that it starts may have together. Default: as much as the machine gives. */
  readonly caps?: Caps;
  /** How long to wait for the identity, in milliseconds. Default 10,000. */
  readonly timeoutMs?: number;
  /** Path of bash 5. Default /bin/bash. */
  readonly bash?: string;
}

const shim = path.join(import.meta.dirname, "shim.sh");

/**
 * Starts the agent under a shim that outlives this process, and resolves once the shim has told who it is, before the
 * agent's first instruction: what the worker writes later can't change it. That the program is missing shows in
 * exit.json (see `waitForExit`), not here.
 *
 * A folder is launched into once: where an identity is, adopt it instead (`readIdentity`,
 * `waitForExit`, `tailOutput`). When this rejects, nothing of the attempt runs any more.
 *
 * Fails with BAD_INPUT (a command that the system can't take), HOST_FAILURE (disk full, no process
 * left, no bash, no identity in time, caps that can't be held) or INTERNAL (the folder was used before).
 */
export async function launch(options: LaunchOptions): Promise<{ identity: Identity }> {
  const { folder, command, cwd, env, timeoutMs = 10_000, bash = "/bin/bash" } = options;
  const nonce = options.nonce ?? randomUUID();
  requireStartable(command, cwd, nonce);
  requirePassable(env);
  if ((await readIdentity(folder)) !== undefined) {
    throw usedBefore(folder);
  }

  const { cgroup, capGroups } = await createGroups(nonce, options.caps ?? {});
  const wake = createWake();
  // -p: no BASH_ENV, no functions and no shell options from the environment.
  const [program, ...rest] = [...adoptOrphans(), bash, "-p", shim, cgroup ?? ""];
  const child = execa(program, [...rest, ...capGroups, "--", cwd, ...command], {
    cwd: folder,
    env: { ...env, [nonceVariable]: nonce, TMPDIR: sessionPaths(folder).temporary },
    extendEnv: false,
    detached: true,
    cleanup: false,
    input: `${options.exitKey ?? randomUUID()}\n`,
    stdout: "pipe",
    stderr: "ignore",
    buffer: false,
    reject: false,
  });
  child.nodeChildProcess.unref();
  let told = "";
  child.stdout.on("data", (data: Buffer) => {
    if (told.length < longestIdentity) told += data.toString("latin1");
    wake.notify();
  });
  let end: ShimEnd | undefined;
  void child.then((result) => {
    end = { exitCode: result.exitCode, systemCode: result.code, cause: result };
    wake.notify();
  });

  try {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      if (told.endsWith("\n")) {
        return { identity: { ...identitySchema.parse(JSON.parse(told)), cgroup, capGroups } };
      }
      if (end !== undefined) {
        throw await explainEnd(end, options);
      }
      const remaining = deadline - performance.now();
      if (remaining <= 0) {
        throw new FactoryError(
          "HOST_FAILURE",
          `the worker's shim did not start within ${timeoutMs} ms: the host is overloaded`,
        );
      }
      await wake.wait(remaining);
    }
  } catch (error) {
    if (end?.exitCode !== shimStatus.usedBefore) {
      await terminateAll({ identity: undefined, nonce, graceMs: 0 });
    } else if (options.nonce === undefined) {
      // A nonce that was given may be that of the launch that was first: what runs under it is the other's, and the
      // groups too, which its agent may be about to enter.
      for (const group of [...capGroups, ...(cgroup === undefined ? [] : [cgroup])]) {
        await removeCgroup(group);
      }
    }
    throw error;
  }
}

async function createGroups(
  nonce: string,
  caps: Caps,
): Promise<{ cgroup: string | undefined; capGroups: readonly string[] }> {
  const cgroup = await createCgroup(nonce);
  try {
    return { cgroup, capGroups: await createCapGroups(nonce, caps, cgroup) };
  } catch (error) {
    if (cgroup !== undefined) await removeCgroup(cgroup);
    throw error;
  }
}

/** Far above what the shim says. */
const longestIdentity = 4096;

const perl = "/usr/bin/perl";
/** Of prctl(2), by Node.js's names of architectures. */
const prctlNumbers: Readonly<Record<string, number>> = { x64: 157, arm64: 167 };
const becomeSubreaper = 36;

/**
 * A command that turns into the rest of its arguments, as a process that adopts all that its descendants leave
 * behind, whatever they do to be orphans: the shim's own are found then. Bash can't ask for it, and Perl is on most
 * systems that have git. Empty where it isn't. Source: PR_SET_CHILD_SUBREAPER(2const).
 */
function adoptOrphans(): string[] {
  const number = prctlNumbers[process.arch];
  if (number === undefined || !existsSync(perl)) return [];
  const script = `syscall(${String(number)}, ${String(becomeSubreaper)}, 1, 0, 0, 0); exec { $ARGV[0] } @ARGV; exit 127`;
  return [perl, "-e", script, "--"];
}

/** What shim.sh returns when no agent has run. */
const shimStatus = { bashTooOld: 120, notWritable: 121, usedBefore: 122, notCapped: 123 } as const;

interface ShimEnd {
  readonly exitCode: number | undefined;
  /** Of a shim that couldn't be started at all. */
  readonly systemCode: string | undefined;
  readonly cause: unknown;
}

function requireStartable(command: readonly string[], cwd: string, nonce: string): void {
  if (!noncePattern.test(nonce)) {
    throw new FactoryError("INTERNAL", "a nonce is 8 to 128 letters, digits, - and _");
  }
  if (command[0] === undefined || command[0] === "") {
    throw new FactoryError("BAD_INPUT", "the worker's command is empty: name a program");
  }
  if (command.some((argument) => argument.includes("\0"))) {
    throw new FactoryError("BAD_INPUT", "the worker's command holds a NUL character: remove it");
  }
  if (!path.isAbsolute(cwd)) {
    throw new FactoryError("INTERNAL", `the worker's directory is not absolute: ${cwd}`);
  }
}

/** Node would refuse these too, but with the value, which may be a secret, in its message. */
function requirePassable(env: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(env)) {
    if (name === "" || /[=\0]/.test(name) || value.includes("\0")) {
      throw new FactoryError(
        "BAD_INPUT",
        `the environment variable ${JSON.stringify(name)} has an invalid name or holds a NUL`,
      );
    }
  }
}

function usedBefore(folder: string): FactoryError {
  return new FactoryError(
    "INTERNAL",
    `${folder} was launched into before: adopt what runs there, or use another folder`,
  );
}

async function explainEnd(end: ShimEnd, options: LaunchOptions): Promise<FactoryError> {
  const { folder, bash = "/bin/bash" } = options;
  switch (end.systemCode) {
    case undefined:
      break;
    case "E2BIG":
      return new FactoryError(
        "BAD_INPUT",
        // execve(2): 128 KiB for one string, a quarter of the stack limit for all.
        "the worker's command or environment is too long: the system takes 128 KiB per argument",
        { cause: end.cause },
      );
    case "ENOENT":
      return new FactoryError(
        "HOST_FAILURE",
        `could not start the worker's shim: ${bash} or ${folder} does not exist`,
        { cause: end.cause },
      );
    default:
      return hostFailure(end.cause, "start the worker's shim");
  }
  switch (end.exitCode) {
    case shimStatus.usedBefore:
      return usedBefore(folder);
    case shimStatus.bashTooOld:
      return new FactoryError("HOST_FAILURE", `${bash} is too old: install bash 5 or later`);
    case shimStatus.notWritable:
      return new FactoryError(
        "HOST_FAILURE",
        `could not write to the session folder ${folder}: ${await explainUnwritable(folder)}`,
      );
    case shimStatus.notCapped:
      return new FactoryError(
        "HOST_FAILURE",
        "the worker could not enter the control groups that hold it to its caps: check their owner and mode",
      );
    default:
      return new FactoryError(
        "HOST_FAILURE",
        "the worker's shim ended before it started the agent",
        {
          cause: end.cause,
        },
      );
  }
}

/** The shim has no channel to say why, so look where the usual reason would show. */
async function explainUnwritable(folder: string): Promise<string> {
  try {
    const space = await statfs(folder);
    return space.bavail === 0 || (space.files > 0 && space.ffree === 0)
      ? "the disk is full: make room"
      : "check its owner and mode, and the disk";
  } catch (error) {
    return codeOf(error) ?? "it is gone";
  }
}
