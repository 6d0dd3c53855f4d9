import { mkdir, readdir, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { FactoryError } from "../errors.ts";
import { assertFree, checkedOutElsewhere, isWhole } from "./check-addition.ts";
import { clearWorktree, settleWorktree } from "./clear-worktree.ts";
import { findLoss } from "./entry-loss.ts";
import { explainCheckout, GitFailure } from "./failure.ts";
import {
  isThere,
  moveToTrash,
  readIfSound,
  removeFolder,
  removeTrash,
  replaceFile,
} from "./files.ts";
import { removeJournal, writeJournal, type Journal } from "./journal.ts";
import { emptyTree, worktreeId } from "./layout.ts";
import { worktreePlace, type WorktreeContext } from "./worktree-context.ts";

export type StartPoint =
  /** The local branch as it stands. */
  | { readonly kind: "local" }
  /** A new branch at this commit. */
  | { readonly kind: "commit"; readonly commit: string }
  /** A new branch without a commit, in a repository that has none. */
  | { readonly kind: "unborn" };

export interface AddWorktreeInput {
  readonly branch: string;
  readonly start: StartPoint;
  readonly signal?: AbortSignal | undefined;
}

export interface AddedWorktree {
  readonly path: string;
  /** null: its branch has no commit yet. */
  readonly headCommit: string | null;
  /** False: it was there already. */
  readonly created: boolean;
}

const checkoutTimeoutMs = 15 * 60_000;

/** One at a time for one branch. @throws FactoryError WORKTREE_IN_USE, BRANCH_CONFLICT, BRANCH_EXISTS */
export async function addWorktree(
  context: WorktreeContext,
  { branch, start, signal }: AddWorktreeInput,
): Promise<AddedWorktree> {
  const { layout } = context;
  await settleWorktree(context, branch, { waitsForLocks: true, signal });
  const path = layout.worktree(branch);
  if (await isWhole(context, branch)) {
    return { path, headCommit: await readHead(context, branch), created: false };
  }
  signal?.throwIfAborted();
  const journal: Journal = {
    branch,
    doing: "add",
    branchCommit: start.kind === "commit" ? start.commit : null,
  };
  let undo = journal;
  try {
    await context.exclusively(async () => {
      await assertFree(context, branch);
      await assertEntrySpare(context, branch);
      await writeJournal(layout.journal(branch), journal);
      try {
        await register(context, { branch, start, signal });
      } catch (error) {
        if (isBranchTaken(error)) undo = { ...journal, branchCommit: null };
        throw error;
      }
    }, signal);
    // Outside of the lock: this takes most of the time, and touches this worktree alone.
    const headCommit = await checkOut(context, { branch, start, signal });
    await removeJournal(layout.journal(branch));
    return { path, headCommit, created: true };
  } catch (error) {
    if (await isThere(layout.journal(branch))) await clearWorktree(context, undo);
    throw explain(error, branch);
  }
}

/**
 * Where somebody deleted the folder alone, git's entry is in the way, and may hold what is nowhere else.
 * @throws FactoryError WORKTREE_IN_USE
 */
async function assertEntrySpare(context: WorktreeContext, branch: string): Promise<void> {
  const entry = context.layout.worktreeGitDirectory(branch);
  const loss = (await isThere(entry)) ? await findLoss(context, entry) : undefined;
  if (loss === undefined) return;
  throw new FactoryError(
    "WORKTREE_IN_USE",
    `the folder of ${branch}'s worktree is gone, but git's entry for it holds work: ${loss}; save it from ${entry}, or delete the worktree with force`,
  );
}

/** git makes it in a place of its own, whose name is the worktree's id; then it moves to where it belongs. */
async function register(context: WorktreeContext, input: AddWorktreeInput): Promise<void> {
  const { layout, git, place } = context;
  const { branch, start, signal } = input;
  const making = join(layout.adding, worktreeId(branch));
  const path = layout.worktree(branch);
  const entry = layout.worktreeGitDirectory(branch);
  await Promise.all([
    removeFolder(making),
    // What is left when somebody deleted the folder alone. git would choose another id beside it.
    moveToTrash(entry, layout.trash).then(removeTrash),
    // A worker's git removes this folder together with the last worktree in it.
    mkdir(dirname(entry), { recursive: true }),
    mkdir(dirname(path), { recursive: true }),
  ]);
  const what = await startArguments(context, input, making);
  const add = () =>
    git({
      arguments: ["worktree", "add", "--no-checkout", ...what],
      place,
      waitsForLocks: true,
      signal,
    });
  await add().catch(async (error: unknown) => {
    if (!(await removeStaleEntry(context, error))) throw error;
    return add();
  });
  if (start.kind === "unborn") {
    await git({
      arguments: ["symbolic-ref", "HEAD", `refs/heads/${branch}`],
      place: { gitDirectory: entry, commonDirectory: layout.control },
    });
  }
  // git has written the control folder's path, which is not for workers, and where it was made.
  await Promise.all([
    writeFile(join(making, ".git"), `gitdir: ${entry}\n`),
    replaceFile(join(entry, "gitdir"), `${join(path, ".git")}\n`),
  ]);
  await rename(making, path);
}

async function startArguments(
  { git, place }: WorktreeContext,
  { branch, start, signal }: AddWorktreeInput,
  making: string,
): Promise<string[]> {
  switch (start.kind) {
    case "local":
      return [making, branch];
    case "commit":
      // git takes it for a new branch alone.
      return ["--no-track", "-b", branch, making, start.commit];
    case "unborn": {
      // git makes no worktree without a commit (`--orphan` came with 2.42), so it gets one that no ref
      // names, the same one each time, and HEAD is set afterwards.
      const commit = await git({
        arguments: ["commit-tree", "-m", "placeholder", emptyTree],
        place,
        signal,
        environment: {
          GIT_AUTHOR_DATE: "1970-01-01T00:00:00Z",
          GIT_COMMITTER_DATE: "1970-01-01T00:00:00Z",
        },
      });
      return ["--detach", making, commit.trim()];
    }
  }
}

async function checkOut(
  context: WorktreeContext,
  { branch, start, signal }: AddWorktreeInput,
): Promise<string | null> {
  if (start.kind === "unborn") return null;
  // As `git worktree add` itself does it.
  const checkingOut = context
    .git({
      arguments: ["reset", "--hard", "--no-recurse-submodules"],
      place: worktreePlace(context.layout, branch),
      timeoutMs: checkoutTimeoutMs,
      waitsForLocks: true,
      signal,
    })
    .catch((error: unknown) => {
      throw error instanceof GitFailure ? explainCheckout(error) : error;
    });
  if (start.kind === "commit") {
    await checkingOut;
    return start.commit;
  }
  const [, head] = await Promise.all([checkingOut, readHead(context, branch)]);
  return head;
}

/** null: no commit yet. */
async function readHead({ git, layout }: WorktreeContext, branch: string): Promise<string | null> {
  try {
    const output = await git({
      arguments: ["rev-parse", "--verify", "--quiet", "HEAD^{commit}"],
      place: worktreePlace(layout, branch),
    });
    return output.trim();
  } catch (error) {
    if (error instanceof GitFailure && error.words === "") return null;
    throw error;
  }
}

/** Until git 2.42 "is already checked out at", since then "is already used by worktree at". */
const inUse = /already (?:checked out|used by worktree) at '(.+)'/;

function isBranchTaken(error: unknown): boolean {
  return error instanceof GitFailure && /a branch named '.+' already exists/.test(error.words);
}

/** Whether git refused because of a worktree whose folder is gone, and which now isn't known any more. */
async function removeStaleEntry({ layout }: WorktreeContext, error: unknown): Promise<boolean> {
  const path = error instanceof GitFailure ? inUse.exec(error.words)?.[1] : undefined;
  if (path === undefined || (await isThere(path))) return false;
  const entries = join(layout.repository, "worktrees");
  for (const id of await readdir(entries)) {
    const gitFile = (await readIfSound(join(entries, id, "gitdir")))?.trim();
    if (gitFile !== join(path, ".git")) continue;
    await removeTrash(await moveToTrash(join(entries, id), layout.trash));
    return true;
  }
  return false;
}

function explain(error: unknown, branch: string): unknown {
  if (!(error instanceof GitFailure)) return error;
  const elsewhere = inUse.exec(error.words)?.[1];
  if (elsewhere !== undefined) return checkedOutElsewhere(branch, elsewhere, error);
  if (isBranchTaken(error)) {
    return new FactoryError("BRANCH_EXISTS", `the branch ${branch} exists by now: try again`, {
      cause: error,
    });
  }
  if (/cannot lock ref '.+': '.+' exists|there are still refs under/.test(error.words)) {
    return new FactoryError(
      "BRANCH_CONFLICT",
      `git can't hold the branch ${branch} beside one that is a folder of its name, or in it`,
      { cause: error },
    );
  }
  return error;
}
