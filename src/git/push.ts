import { createBackoff } from "../backoff.ts";
import { FactoryError } from "../errors.ts";
import { readCredentialVariables } from "./credentials.ts";
import { explainRemote, GitFailure, quoteFailure } from "./failure.ts";
import { takeIn } from "./take-in.ts";
import type { WorktreeContext } from "./worktree-git.ts";

export interface PushInput {
  readonly branch: string;
  /** What the remote's branch is to stand at, in the clone. Default: where the worktree, or the clone, has it. */
  readonly commit?: string | undefined;
  /** Whether the remote must not have the branch yet, unless it stands where ours does. Default: false. */
  readonly isNew?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface PushResult {
  /** The remote's ref. */
  readonly ref: string;
  /** What it stands at now. */
  readonly commit: string;
}

const pushTimeoutMs = 60 * 60_000;
/** git shows its progress every second; what a server's hooks do meanwhile is silent. */
const stallMs = 10 * 60_000;
/**
 * For a remote that is away for a moment, and where an earlier push of the same, whose client was killed,
 * comes to its end first: the next try finds nothing left to do.
 */
const tries = 3;
const firstPauseMs = 500;

/**
 * Brings the remote's branch to where the local one stands, never by force. What is there already is no
 * error, so that it can be repeated after a kill.
 * @throws FactoryError NOT_FOUND where there is no such local branch, BRANCH_CONFLICT where the remote's has
 * commits that ours lacks or was to be new, FORBIDDEN where the remote's rules or hooks refuse it, and as `clone`
 */
export async function pushBranch(
  context: WorktreeContext,
  { branch, commit: given, isNew = false, signal }: PushInput,
): Promise<PushResult> {
  const commit = given ?? (await takeIn(context, branch, signal));
  if (commit === null) {
    throw new FactoryError("NOT_FOUND", `there is no local branch ${branch} any more`);
  }
  const ref = `refs/heads/${branch}`;
  const environment = await readCredentialVariables(context.layout.credentials);
  const backoff = createBackoff({ firstMs: firstPauseMs });
  for (let attempt = 1; ; attempt += 1) {
    try {
      await push(context, { ref, commit, isNew, environment, signal });
      return { ref, commit };
    } catch (error) {
      signal?.throwIfAborted();
      if (attempt === tries || !isTransient(error)) throw error;
      await backoff.wait(signal ?? new AbortController().signal);
      signal?.throwIfAborted();
    }
  }
}

interface PushCall {
  readonly ref: string;
  readonly commit: string;
  readonly isNew: boolean;
  readonly environment: Record<string, string>;
  readonly signal: AbortSignal | undefined;
}

async function push(
  { git, place }: WorktreeContext,
  { ref, commit, isNew, environment, signal }: PushCall,
) {
  try {
    await git({
      arguments: [
        "push",
        "--progress",
        // No hooks are in reach of our git anyway (see control.ts).
        "--no-verify",
        "--no-follow-tags",
        "--no-signed",
        "--recurse-submodules=no",
        // The remote compares: nothing that came there in the meantime is overwritten.
        ...(isNew ? [`--force-with-lease=${ref}:`] : []),
        "origin",
        `${commit}:${ref}`,
      ],
      place,
      environment,
      signal,
      network: true,
      timeoutMs: pushTimeoutMs,
      stallMs,
    });
  } catch (error) {
    throw explainPush(error);
  }
}

/** git's line for a ref that was not taken: " ! [remote rejected] b -> b (hook declined)". */
const refusal = /^ *! \[(?:remote )?(?:rejected|failure)\].*\((.*)\)$/m;
/** Of the reason in its parentheses, in git's words and GitHub's, GitLab's and Gitea's. */
const behind = /^(?:fetch first|non-fast-forward|needs force|stale info|already exists)/;
const contended =
  /failed to update ref|cannot lock ref|incorrect old value|reference already exists|failed to lock|internal/i;

/** A refusal of the remote comes as a failure of the command, with its reason among git's words. */
function explainPush(error: unknown): unknown {
  const failure = error instanceof FactoryError ? error.cause : error;
  if (!(failure instanceof GitFailure)) return error;
  const reason = refusal.exec(failure.words)?.[1];
  if (reason === undefined) return explainRemote(failure);
  if (behind.test(reason)) {
    return quoteFailure(
      failure,
      "BRANCH_CONFLICT",
      "the remote's branch has commits that this one lacks: rebase or merge, and push again",
    );
  }
  if (contended.test(reason)) {
    return quoteFailure(
      failure,
      "REMOTE_UNREACHABLE",
      "the remote could not take the branch: another push of it may be under way",
    );
  }
  return quoteFailure(failure, "FORBIDDEN", "the remote's rules or hooks refused the branch");
}

function isTransient(error: unknown): boolean {
  return error instanceof FactoryError && error.code === "REMOTE_UNREACHABLE";
}
