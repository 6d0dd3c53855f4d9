// What stands in the way of a worktree, told before anything is made.
import { dirname, join } from "node:path";
import { FactoryError } from "../errors.ts";
import { findLinkAbove, isThere, listIfThere } from "./files.ts";
import type { WorktreeContext } from "./worktree-context.ts";

export interface AdditionCheck {
  readonly branch: string;
  /** Whether the branch is a local one, which another worktree may have checked out. */
  readonly isLocal: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Finds what the addition itself would refuse, races apart. @throws FactoryError WORKTREE_IN_USE, BRANCH_CONFLICT */
export async function checkAddition(
  context: WorktreeContext,
  { branch, isLocal, signal }: AdditionCheck,
): Promise<void> {
  if (await isWhole(context, branch)) return;
  await assertFree(context, branch);
  if (!isLocal) return;
  const ref = `refs/heads/${branch}`;
  const output = await context.git({
    arguments: ["for-each-ref", "--format=%(worktreepath)", ref],
    place: context.place,
    signal,
  });
  const elsewhere = output.trim();
  // A worktree whose folder is gone is no hindrance.
  if (elsewhere !== "" && (await isThere(elsewhere))) throw checkedOutElsewhere(branch, elsewhere);
}

export async function isWhole({ layout }: WorktreeContext, branch: string): Promise<boolean> {
  const parts = [
    join(layout.worktree(branch), ".git"),
    join(layout.worktreeGitDirectory(branch), "HEAD"),
  ];
  return (await Promise.all(parts.map(isThere))).every(Boolean);
}

/** @throws FactoryError WORKTREE_IN_USE, BRANCH_CONFLICT */
export async function assertFree({ layout }: WorktreeContext, branch: string): Promise<void> {
  const path = layout.worktree(branch);
  const link = await findLinkAbove(path, dirname(layout.trash));
  if (link !== undefined) {
    throw new FactoryError(
      "WORKTREE_IN_USE",
      `the folder for ${branch} would be outside of FACTORY_HOME: ${link} is a symbolic link; remove it`,
    );
  }
  for (let above = dirname(path); above !== layout.worktrees; above = dirname(above)) {
    if (!(await isThere(join(above, ".git")))) continue;
    throw new FactoryError(
      "BRANCH_CONFLICT",
      `the folder for ${branch} would be inside another branch's worktree: remove that one first`,
    );
  }
  const found = await listIfThere(path);
  if (found === undefined || found.length === 0) return;
  throw new FactoryError(
    "WORKTREE_IN_USE",
    `the folder for ${branch} holds files already, but isn't its worktree: move away what is in ${path}`,
  );
}

export function checkedOutElsewhere(branch: string, path: string, cause?: unknown): FactoryError {
  return new FactoryError(
    "WORKTREE_IN_USE",
    `the branch ${branch} is checked out at ${path}: switch that worktree to another branch, or remove it`,
    { cause },
  );
}
