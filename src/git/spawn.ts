// The one place that starts git.
import { join } from "node:path";
import { GitError, simpleGit, type SimpleGitProgressEvent } from "simple-git";
import { FactoryError } from "../errors.ts";
import { GitFailure } from "./failure.ts";
import { watchForGroup, type ProcessGroup } from "./process-group.ts";

/** The folders that a call works on, as git(1) names them in the environment. */
export interface GitPlace {
  readonly gitDirectory: string;
  /** Where it isn't gitDirectory: whose configuration, objects and refs are used. */
  readonly commonDirectory?: string;
  readonly workTree?: string;
  readonly indexFile?: string;
}

export interface GitCall {
  readonly arguments: readonly string[];
  readonly place: GitPlace;
  /** Further variables, such as secrets, which never go into arguments. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly input?: string | Buffer;
  /** Program and arguments that start it, each without a line end. Only for what `limited.sh` starts. Default: none. */
  readonly confinement?: readonly string[];
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds for the whole call. Default: one minute. */
  readonly timeoutMs?: number;
  /** Milliseconds without any output after which it counts as stuck. Default: none. */
  readonly stallMs?: number;
  /** Milliseconds that it waits for a place among the calls at most. Default: 15 minutes. */
  readonly maxWaitMs?: number;
  /** Of calls with the same share only some run at once. Default: the repository. */
  readonly share?: string;
  /** Whether a worker asks for it: such calls have fewer places. */
  readonly forWorker?: boolean;
  /** Whether it talks to a remote: its failures are then the remote's. */
  readonly network?: boolean;
  /**
   * Whether it waits until a lock file is given back, or old enough to be removed: where a failure would end work
   * that nobody is there to repeat. Default: only the seconds that git itself waits.
   */
  readonly waitsForLocks?: boolean;
  readonly onProgress?: (event: SimpleGitProgressEvent) => void;
  /** Gets the output as it comes; `false` ends the call, whose result is then as if it had succeeded. */
  readonly onOutput?: (chunk: Buffer) => boolean;
  /** Gets all that a git that succeeded wrote to its standard error. */
  readonly onWarnings?: (text: string) => void;
}

const localTimeoutMs = 60_000;
/** Of each of its outputs. A worker's files decide how much git has to say of them. */
const maxOutputBytes = 256 * 1024 * 1024;
const maxWarningBytes = 4 * 1024 * 1024;
/** How long a git that was told to end may take to remove its lock files and temporary packs. */
const killGraceMs = 5_000;

export interface SpawnOptions {
  /** Where git starts. */
  readonly folder: string;
  /** All of it: nothing is inherited. */
  readonly environment: Readonly<Record<string, string>>;
  /** Whether what it reads may be a worker's: then its memory is bounded. */
  readonly isUntrusted: boolean;
  /** A program that runs its arguments in a process group of their own; see process-group.ts. */
  readonly launcher: string | undefined;
}

/** @throws GitFailure, FactoryError at a timeout, the signal's reason. */
export async function spawnGit(call: GitCall, options: SpawnOptions): Promise<string> {
  const { signal, timeoutMs = localTimeoutMs, onOutput, onProgress, input, stallMs } = call;
  const { folder, launcher, isUntrusted } = options;
  const [command = ""] = call.arguments;
  const leadsGroup = launcher !== undefined && !withoutHelpers.has(command);
  const environment = {
    ...options.environment,
    // For `limited`.
    ...(leadsGroup && isUntrusted ? { FACTORY_GIT_GROUP: "1" } : {}),
  };
  const ending = new AbortController();
  const watch = watchForGroup();
  const state = { cut: false, overflowed: false, stderr: "" };
  let expired: number | undefined;
  let failedWith: number | null | undefined;
  let forceful: NodeJS.Timeout | undefined;
  let group: ProcessGroup | undefined;

  const end = () => {
    if (ending.signal.aborted) return;
    // simple-git itself signals git alone, with SIGINT and once. Helpers that wait for a server or hang in a
    // system call would live on.
    group?.signal("SIGTERM");
    ending.abort();
    forceful = setTimeout(() => group?.kill(), killGraceMs);
  };
  const expire = (milliseconds: number) => {
    expired = milliseconds;
    end();
  };
  const timer = setTimeout(expire, timeoutMs, timeoutMs);
  const stall = stallMs === undefined ? undefined : setTimeout(expire, stallMs, stallMs);
  signal?.addEventListener("abort", end, { once: true });
  if (signal?.aborted === true) end();

  try {
    const git = simpleGit({
      baseDir: folder,
      binary: isUntrusted ? [limited, "git"] : leadsGroup ? [launcher, "git"] : "git",
      abort: ending.signal,
      trimmed: false,
      // Only when all output is there. By default it waits 50 ms after the exit and may cut the output.
      completion: { onClose: true, onExit: false },
      // Our own variables are the only ones, and simple-git keeps back those that it isn't told of. Its
      // checks of arguments stay on; these are set by us alone (see environment.ts).
      allowEnvironment: Object.keys(environment),
      unsafe: {
        allowUnsafeConfigPaths: true,
        allowUnsafeSshCommand: true,
        // Of a worktree's repository, which is read by `limited`.
        allowUnsafePack: true,
        // A checkout's path may hold a space.
        allowUnsafeCustomBinary: true,
      },
      errors(error, { exitCode, stdErr }) {
        state.stderr = Buffer.concat(stdErr).toString("utf8");
        // simple-git itself takes a failure without words for a success.
        failedWith = exitCode === 0 ? undefined : exitCode;
        return error ?? (exitCode === 0 ? undefined : new Error("git failed"));
      },
      ...(onProgress === undefined ? {} : { progress: onProgress }),
      ...(input === undefined ? {} : { input: () => input }),
    })
      .env(environment)
      .outputHandler((_command, stdout, stderr) => {
        group = watch.find(stdout, leadsGroup);
        watch.stop();
        const endIfLarge = (stream: NodeJS.ReadableStream, maxBytes: number) => {
          let bytes = 0;
          stream.on("data", (chunk: Buffer) => {
            stall?.refresh();
            bytes += chunk.length;
            if (bytes <= maxBytes || state.overflowed) return;
            state.overflowed = true;
            group?.kill();
            end();
          });
        };
        endIfLarge(stdout, onOutput === undefined ? maxOutputBytes : Infinity);
        endIfLarge(stderr, maxWarningBytes);
        if (onOutput === undefined) return;
        stdout.on("data", (chunk: Buffer) => {
          if (state.cut || onOutput(chunk)) return;
          state.cut = true;
          // Reading stops at once, so that nothing more is kept; git ends by SIGPIPE.
          group?.closeOutput();
          end();
        });
      });
    const output = await git.raw([...call.arguments]);
    // A git that was told to end may still end with 0.
    if (!ending.signal.aborted) {
      call.onWarnings?.(state.stderr);
      return output;
    }
    throw new Error("ended");
  } catch (error) {
    if (state.cut) return "";
    signal?.throwIfAborted();
    if (expired !== undefined) throw timeoutError(call, expired);
    if (state.overflowed) {
      throw new FactoryError("HOST_FAILURE", `git ${command} printed more than can be kept`);
    }
    if (failedWith !== undefined) throw new GitFailure(command, failedWith, state.stderr);
    throw error instanceof GitError
      ? new Error(`git ${command}: ${error.message}`, { cause: error })
      : error;
  } finally {
    watch.stop();
    clearTimeout(timer);
    clearTimeout(stall);
    clearTimeout(forceful);
    signal?.removeEventListener("abort", end);
  }
}

/** Starts it in a group of its own, too, where that can be had. */
export const limited = join(import.meta.dirname, "limited.sh");

/** What `limited.sh` takes; none of simple-git's ways to name a program has room for it. */
export function confinementVariable(confinement: readonly string[]): Record<string, string> {
  return confinement.length === 0 ? {} : { FACTORY_GIT_CONFINEMENT: confinement.join("\n") };
}

/** These start no process that could outlive them: a group of their own would be one more program to start. */
const withoutHelpers = new Set([
  "branch",
  "count-objects",
  "diff",
  "diff-files",
  "for-each-ref",
  "log",
  "ls-files",
  "rev-list",
  "rev-parse",
  "status",
  "symbolic-ref",
  "update-index",
  "update-ref",
]);

function timeoutError(call: GitCall, milliseconds: number): FactoryError {
  const seconds = Math.round(milliseconds / 1000);
  const [command = ""] = call.arguments;
  return call.network === true
    ? new FactoryError(
        "REMOTE_UNREACHABLE",
        `the remote could not be reached: git ${command} got no answer within ${seconds} s`,
      )
    : new FactoryError("HOST_FAILURE", `git ${command} did not end within ${seconds} s`);
}
