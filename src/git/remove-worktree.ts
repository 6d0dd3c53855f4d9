import { counted, named } from "../counted.ts";
import { FactoryError } from "../errors.ts";
import { clearWorktree, settleWorktree } from "./clear-worktree.ts";
import { explainRead } from "./failure.ts";
import { findLoss } from "./entry-loss.ts";
import { isThere, listIfThere } from "./files.ts";
import { countUnpushed, inspectWorktree, readBranchTip } from "./inspect-worktree.ts";
import { writeJournal } from "./journal.ts";
import type { WorktreeContext } from "./worktree-context.ts";

export interface RemoveWorktreeInput {
  readonly branch: string;
  /** Remove it whatever it holds. */
  readonly force: boolean;
  /** The local branch too. */
  readonly deleteBranch: boolean;
  /** Ends the checks; a removal that has begun goes on. */
  readonly signal?: AbortSignal | undefined;
}

/** One at a time for one branch. What is gone already is no error. @throws FactoryError WORKTREE_DIRTY */
export async function removeWorktree(
  context: WorktreeContext,
  { branch, force, deleteBranch, signal }: RemoveWorktreeInput,
): Promise<void> {
  await settleWorktree(context, branch);
  const tip = await readBranchTip(context, branch, signal).catch((error: unknown) => {
    // What a worker did to the refs is no reason to keep its files. The branch stays.
    if (force && error instanceof FactoryError && error.code === "HOST_FAILURE") return null;
    throw error;
  });
  if (!force) {
    await explainRead(branch, () =>
      assertNothingLost(context, { branch, tip, deleteBranch, signal }),
    );
  }
  const journal = { branch, doing: "remove", branchCommit: deleteBranch ? tip : null } as const;
  await writeJournal(context.layout.journal(branch), journal);
  await clearWorktree(context, journal);
}

async function assertNothingLost(
  context: WorktreeContext,
  {
    branch,
    tip,
    deleteBranch,
    signal,
  }: { branch: string; tip: string | null; deleteBranch: boolean; signal: AbortSignal | undefined },
): Promise<void> {
  const { layout } = context;
  const files = await listIfThere(layout.worktree(branch));
  const isKnown = await isThere(layout.worktreeGitDirectory(branch));
  if (files !== undefined && files.length > 0 && !isKnown) {
    refuse(branch, "files, and git doesn't know it as a worktree any more");
  }
  if (files === undefined && isKnown) {
    const loss = await findLoss(context, layout.worktreeGitDirectory(branch));
    if (loss !== undefined) refuse(branch, `work though its folder is gone: ${loss}`);
  }
  const state =
    files === undefined || !isKnown
      ? {
          changedFiles: 0,
          changedPaths: [],
          unpushedCommits:
            deleteBranch && tip !== null ? await countUnpushed(context, [tip], signal) : 0,
        }
      : await inspectWorktree(context, branch, signal);
  const { changedFiles, changedPaths, unpushedCommits } = state;
  if (changedFiles > 0) {
    const files = counted(changedFiles, "changed or untracked file");
    refuse(branch, named(files, changedPaths, changedFiles));
  }
  if (unpushedCommits > 0) {
    const commits = counted(unpushedCommits, "commit that is", "commits that are");
    refuse(branch, `${commits} on no branch of the remote`);
  }
}

function refuse(branch: string, what: string): never {
  throw new FactoryError(
    "WORKTREE_DIRTY",
    `the worktree of ${branch} holds ${what}: save them elsewhere, or remove it with force`,
  );
}
