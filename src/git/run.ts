// Every call of git goes through here.
import { availableParallelism } from "node:os";
import { FactoryError } from "../errors.ts";
import { buildGitEnvironment, type Environment } from "./environment.ts";
import { explainHost, explainRemote, GitFailure } from "./failure.ts";
import { createGate, type Gate, type Share } from "./lock.ts";
import { findLock, outwaitLock } from "./lock-file.ts";
import { watchForOddFile } from "./odd-file.ts";
import { openPlace } from "./open-place.ts";
import { findLauncher } from "./process-group.ts";
import { step } from "../measurements.ts";
import { confinementVariable, spawnGit, type GitCall, type GitPlace } from "./spawn.ts";

export type { GitCall, GitPlace } from "./spawn.ts";

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
  /** Milliseconds after which a lock file that no process has open counts as left behind. */
  readonly lockGraceMs: number;
}

/** For a process to be started, behind as many others as there are places. */
const queueTimeoutMs = 15 * 60_000;
const networkCallsAtOnce = 16;
const localCallsAtOnce = Math.max(8, availableParallelism() * 2);

export function createRunner(options: RunnerOptions): GitRunner {
  const { home, protocols, onCall, lockGraceMs } = options;
  const base = buildGitEnvironment(options.environment, protocols);
  const launcher = findLauncher(base["PATH"]);
  // Calls that wait for a remote take no place from those that don't.
  const local = createGate(localCallsAtOnce, queueTimeoutMs);
  const network = createGate(networkCallsAtOnce, queueTimeoutMs);

  async function attempt(call: GitCall): Promise<string> {
    const started = performance.now();
    let exitCode: number | null = null;
    try {
      const environment = {
        ...base,
        ...placeVariables(call.place),
        ...confinementVariable(call.confinement ?? []),
        ...call.environment,
      };
      await using start = await openPlace(call.place, home);
      using watch = watchForOddFile(call.place);
      const { signal = watch.signal } = call;
      const watched = { ...call, signal: AbortSignal.any([signal, watch.signal]) };
      const how = {
        folder: start.folder,
        environment,
        isUntrusted: isUntrusted(call),
        launcher: await launcher,
      };
      const output = await measured(call, () => spawnGit(watched, how));
      exitCode = 0;
      return output;
    } catch (error) {
      if (error instanceof GitFailure) exitCode = error.exitCode;
      throw error;
    } finally {
      const milliseconds = performance.now() - started;
      onCall?.({ arguments: call.arguments, milliseconds, exitCode });
    }
  }

  /** Tells whether what stopped git is out of the way, so that it is worth another try. */
  async function outwait(failure: unknown, { waitsForLocks, signal }: GitCall): Promise<boolean> {
    // git itself has waited for the lock by now (see control.ts).
    const lock = await findLock(failure);
    if (lock === undefined) return false;
    const patienceMs = waitsForLocks === true ? lockGraceMs : 0;
    return outwaitLock(lock, { home, graceMs: lockGraceMs, patienceMs, signal });
  }

  return async (call) => {
    const gate: Gate = call.network === true ? network : local;
    let deadline: number | undefined;
    for (;;) {
      try {
        return await gate.run(() => attempt(call), {
          signal: call.signal,
          shares: sharesOf(call),
          maxWaitMs: call.maxWaitMs,
        });
      } catch (error) {
        // A git that was killed may leave many locks: as old as the first is, they need no further wait.
        deadline ??= performance.now() + 2 * lockGraceMs;
        if (performance.now() > deadline || !(await outwait(error, call))) {
          throw translate(error, call);
        }
      }
    }
  };
}

/** The clone is the server's alone; a worktree's repository is opened by way of a control folder. */
function isUntrusted({ place }: GitCall): boolean {
  return place.commonDirectory !== undefined;
}

/** Such as fetch: the first argument that is neither an option nor one's value. */
function commandOf({ arguments: [...rest] }: GitCall): string {
  while (rest[0] === "-c") rest.splice(0, 2);
  return rest[0] ?? "";
}

function measured(call: GitCall, run: () => Promise<string>): Promise<string> {
  return step("git", { facts: { command: commandOf(call) } }, async (note) => {
    try {
      const output = await run();
      note({ outcome: "ok", exitCode: 0 });
      return output;
    } catch (error) {
      if (call.signal?.aborted === true) note({ outcome: "aborted" });
      else if (!(error instanceof GitFailure)) note({ outcome: "error" });
      // Many a command answers with it, rather than to have met a mistake.
      else note({ outcome: "failed", exitCode: error.exitCode ?? undefined });
      throw error;
    }
  });
}

/** One repository never takes all places, whatever is done to it; what workers ask of it never all of its own. */
function sharesOf({
  place,
  share: key = place.gitDirectory,
  network,
  forWorker,
}: GitCall): Share[] {
  const places = network === true ? networkCallsAtOnce : localCallsAtOnce;
  const ofRepository = { key, most: Math.floor(places / 2) };
  if (forWorker !== true) return [ofRepository];
  return [ofRepository, { key: `workers ${key}`, most: Math.floor(places / 4) }];
}

function translate(error: unknown, call: GitCall): unknown {
  if (!(error instanceof GitFailure)) return error;
  if (call.network === true) return explainRemote(error);
  const isTooLarge = isUntrusted(call) && /out of memory/i.test(error.message);
  if (!isTooLarge) return explainHost(error) ?? error;
  return new FactoryError(
    "HOST_FAILURE",
    `git ${commandOf(call)} needs more memory than it may take: a file that it reads whole, such as .gitignore, is too large in the worktree or its repository`,
    { cause: error },
  );
}

function placeVariables(place: GitPlace): Record<string, string> {
  return {
    GIT_DIR: place.gitDirectory,
    GIT_COMMON_DIR: place.commonDirectory ?? place.gitDirectory,
    // A reader that refreshes the index would take index.lock away from the worker's own git.
    GIT_OPTIONAL_LOCKS: "0",
    // git starts there (see open-place.ts), so that no path leads it elsewhere.
    ...(place.workTree === undefined ? {} : { GIT_WORK_TREE: "." }),
    ...(place.indexFile === undefined ? {} : { GIT_INDEX_FILE: place.indexFile }),
  };
}
