// The one place that starts git.
import { availableParallelism } from "node:os";
import { GitError, simpleGit, type SimpleGitProgressEvent } from "simple-git";
import { FactoryError } from "../errors.ts";
import { watchForChild } from "./child-process.ts";
import { buildGitEnvironment, type Environment } from "./environment.ts";
import { explainHost, explainRemote, GitFailure } from "./failure.ts";
import { createGate, type Gate } from "./lock.ts";

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
  readonly input?: string;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds for the whole call. Default: one minute. */
  readonly timeoutMs?: number;
  /** Milliseconds without any output after which it counts as stuck. Default: none. */
  readonly stallMs?: number;
  /** Whether it talks to a remote: its failures are then the remote's. */
  readonly network?: boolean;
  readonly onProgress?: (event: SimpleGitProgressEvent) => void;
  /** Gets the output as it comes; `false` ends the call, whose result is then as if it had succeeded. */
  readonly onOutput?: (chunk: Buffer) => boolean;
}

/** Tells of every git process that has ended. */
export interface GitCallReport {
  readonly arguments: readonly string[];
  readonly milliseconds: number;
  readonly exitCode: number | null;
}

/**
 * Resolves with git's standard output.
 * @throws GitFailure where git ended with a code other than 0 for a reason of this command alone;
 *   FactoryError where the host or the remote is the reason; the signal's reason where it was aborted.
 */
export type GitRunner = (call: GitCall) => Promise<string>;

export interface RunnerOptions {
  /** A folder that exists: where git starts unless it has a working tree. */
  readonly home: string;
  readonly environment: Environment;
  readonly protocols: readonly string[];
  readonly onCall?: ((report: GitCallReport) => void) | undefined;
}

const localTimeoutMs = 60_000;
/** How long a git that was told to end may take to remove its lock files and temporary packs. */
const killGraceMs = 5_000;
/** For a process to be started, behind as many others as there are places. */
const queueTimeoutMs = 15 * 60_000;
const networkCallsAtOnce = 16;

export function createRunner({ home, environment, protocols, onCall }: RunnerOptions): GitRunner {
  const base = buildGitEnvironment(environment, protocols);
  // Calls that wait for a remote take no place from those that don't.
  const local = createGate(Math.max(4, availableParallelism() * 2), queueTimeoutMs);
  const network = createGate(networkCallsAtOnce, queueTimeoutMs);

  return async (call) => {
    const gate: Gate = call.network === true ? network : local;
    return gate.run(async () => {
      const started = performance.now();
      let exitCode: number | null = null;
      try {
        const output = await spawnGit(call, home, { ...base, ...placeVariables(call.place) });
        exitCode = 0;
        return output;
      } catch (error) {
        if (error instanceof GitFailure) exitCode = error.exitCode;
        throw translate(error, call);
      } finally {
        const milliseconds = performance.now() - started;
        onCall?.({ arguments: call.arguments, milliseconds, exitCode });
      }
    }, call.signal);
  };
}

function translate(error: unknown, call: GitCall): unknown {
  if (!(error instanceof GitFailure)) return error;
  if (call.network === true) return explainRemote(error);
  return explainHost(error) ?? error;
}

function placeVariables(place: GitPlace): Record<string, string> {
  return {
    GIT_DIR: place.gitDirectory,
    GIT_COMMON_DIR: place.commonDirectory ?? place.gitDirectory,
    // A reader that refreshes the index would take index.lock away from the worker's own git.
    GIT_OPTIONAL_LOCKS: "0",
    ...(place.workTree === undefined ? {} : { GIT_WORK_TREE: place.workTree }),
    ...(place.indexFile === undefined ? {} : { GIT_INDEX_FILE: place.indexFile }),
  };
}

async function spawnGit(
  call: GitCall,
  home: string,
  variables: Record<string, string>,
): Promise<string> {
  const { signal, timeoutMs = localTimeoutMs, onOutput, onProgress, input, stallMs } = call;
  const env = { ...variables, ...call.environment };
  const [command = ""] = call.arguments;
  const ending = new AbortController();
  const watch = watchForChild();
  const state = { cut: false, stderr: "" };
  let expired: number | undefined;
  let failedWith: number | null | undefined;
  let forceful: NodeJS.Timeout | undefined;
  let kill: (() => void) | undefined;

  const end = () => {
    ending.abort();
    // simple-git sends SIGINT, once. git cleans up and ends; what hangs in a system call does not.
    forceful = setTimeout(() => kill?.(), killGraceMs);
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
      baseDir: call.place.workTree ?? home,
      abort: ending.signal,
      trimmed: false,
      // Only when all output is there. By default it waits 50 ms after the exit and may cut the output.
      completion: { onClose: true, onExit: false },
      // Our own variables are the only ones, and simple-git keeps back those that it isn't told of. Its
      // checks of arguments stay on; these two variables are set by us alone (see environment.ts).
      allowEnvironment: Object.keys(env),
      unsafe: { allowUnsafeConfigPaths: true, allowUnsafeSshCommand: true },
      errors(error, { exitCode, stdErr }) {
        state.stderr = Buffer.concat(stdErr).toString("utf8");
        // simple-git itself takes a failure without words for a success.
        failedWith = exitCode === 0 ? undefined : exitCode;
        return error ?? (exitCode === 0 ? undefined : new Error("git failed"));
      },
      ...(onProgress === undefined ? {} : { progress: onProgress }),
      ...(input === undefined ? {} : { input: () => input }),
    })
      .env(env)
      .outputHandler((_command, stdout, stderr) => {
        const child = watch.find(stdout);
        watch.stop();
        kill = () => {
          child?.kill("SIGKILL");
          // A grandchild may hold these open, and their end is what is waited for.
          child?.stdout?.destroy();
          child?.stderr?.destroy();
        };
        for (const stream of [stdout, stderr]) stream.on("data", () => stall?.refresh());
        if (onOutput === undefined) return;
        stdout.on("data", (chunk: Buffer) => {
          if (state.cut || onOutput(chunk)) return;
          state.cut = true;
          // Reading stops at once, so that nothing more is kept; git ends by SIGPIPE.
          child?.stdout?.destroy();
          end();
        });
      });
    return await git.raw([...call.arguments]);
  } catch (error) {
    if (state.cut) return "";
    signal?.throwIfAborted();
    if (expired !== undefined) throw timeoutError(call, expired);
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
