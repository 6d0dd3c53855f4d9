import { randomUUID } from "node:crypto";
import { mkdir, rename, rmdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { FactoryError } from "../errors.ts";
import { composeConfiguration, ensureControl } from "./control.ts";
import { explainCheckout, GitFailure } from "./failure.ts";
import {
  findLinkAbove,
  isThere,
  listIfThere,
  moveToTrash,
  readText,
  removeEmptyFolders,
  removeFolder,
  removeTrash,
} from "./files.ts";
import { readBranchTip } from "./inspect-worktree.ts";
import { describeLeftover } from "./losses.ts";
import { makeOwnRepository, readCloneRefs } from "./own-repository.ts";
import { peel } from "./refs.ts";
import { takeIn } from "./take-in.ts";
import {
  findForeign,
  gitFileOf,
  isWhole,
  openWorktree,
  type WorktreeContext,
} from "./worktree-git.ts";

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
  await settleWorktree(context, branch, signal);
  const path = layout.worktree(branch);
  if (await isWhole(context, branch)) {
    const git = await openWorktree(context, branch);
    return { path, headCommit: await readBranchTip(git, branch, signal), created: false };
  }
  await assertFree(context, branch);
  const { packed, tip } = await readCloneRefs(context, branch, signal);
  const headCommit = findStart(branch, start, tip);
  const making = join(layout.making, randomUUID());
  try {
    await make(context, { making, branch, commit: headCommit, packed, signal });
    await moveIntoPlace(context, making, branch);
    await rmdir(making);
  } catch (error) {
    await removeFolder(making);
    await assertCommit(context, branch, headCommit, signal);
    throw error;
  }
  if (start.kind === "commit") await makeBranch(context, branch, start.commit, signal);
  return { path, headCommit, created: true };
}

/** @throws FactoryError BRANCH_EXISTS */
function findStart(branch: string, start: StartPoint, tip: string | null): string | null {
  if (start.kind === "unborn") return null;
  if (start.kind === "local" && tip !== null) return tip;
  if (start.kind === "commit" && tip === null) return start.commit;
  const what = tip === null ? "is gone" : "exists by now";
  throw new FactoryError("BRANCH_EXISTS", `the branch ${branch} ${what}: try again`);
}

/** Not before: a remote's branch that names something else is rare, and to ask takes a call of git. */
async function assertCommit(
  { git, place }: WorktreeContext,
  branch: string,
  id: string | null,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (id === null || (await peel(git, place, id, signal)) !== undefined) return;
  throw new FactoryError(
    "BASE_NOT_FOUND",
    `a worktree for ${branch} would begin at ${id.slice(0, 12)}, which is no commit: correct that branch at the remote, or choose another base`,
  );
}

interface Making {
  /** A folder of its own: what is in it moves to its place when all of it is there. */
  readonly making: string;
  readonly branch: string;
  readonly commit: string | null;
  readonly packed: Buffer;
  readonly signal: AbortSignal | undefined;
}

const inMaking = { repository: "repository", files: "files" } as const;

async function make(context: WorktreeContext, { making, ...start }: Making): Promise<void> {
  const { layout } = context;
  const { branch, commit, signal } = start;
  const folder = join(making, inMaking.repository);
  const workTree = join(making, inMaking.files);
  await mkdir(workTree, { recursive: true });
  await makeOwnRepository(context, { folder, ...start });
  // No worker knows of it yet, so it can be used with the clone's configuration as it is.
  await writeFile(join(folder, "config"), await readText(join(layout.repository, "config")));
  if (commit !== null) {
    try {
      await context.git({
        arguments: ["reset", "--hard", "--quiet", "--no-recurse-submodules"],
        place: { gitDirectory: folder, workTree },
        share: layout.repository,
        timeoutMs: checkoutTimeoutMs,
        signal,
      });
    } catch (error) {
      throw error instanceof GitFailure ? explainCheckout(error) : error;
    }
  }
  const identity = await context.identity();
  const text = await composeConfiguration(layout, layout.worktree(branch), identity);
  await Promise.all([
    writeFile(join(folder, "config"), text),
    writeFile(join(workTree, ".git"), gitFileOf(layout, branch)),
  ]);
}

/** The repository first: what is left of a kill between the two is found, and settled, by it. */
async function moveIntoPlace(
  context: WorktreeContext,
  making: string,
  branch: string,
): Promise<void> {
  const { layout } = context;
  await ensureControl(layout, branch);
  const moves = [
    [inMaking.repository, layout.ownRepository(branch)],
    [inMaking.files, layout.worktree(branch)],
  ] as const;
  await context.exclusively(async () => {
    for (const [name, place] of moves) {
      await mkdir(dirname(place), { recursive: true });
      await rename(join(making, name), place);
    }
  });
}

/** In the clone, where other branches are held against it. What is made without it is taken back. */
async function makeBranch(
  context: WorktreeContext,
  branch: string,
  commit: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    await context.git({
      arguments: ["update-ref", "--no-deref", `refs/heads/${branch}`, commit, "0".repeat(40)],
      place: context.place,
      waitsForLocks: true,
      signal,
    });
  } catch (error) {
    await clearWorktree(context, branch);
    if (!(error instanceof GitFailure)) throw error;
    throw new FactoryError(
      "BRANCH_CONFLICT",
      `git can't hold the branch ${branch} beside one that is a folder of its name, or in it`,
      { cause: error },
    );
  }
}

/** Takes what there is of the branch's worktree out of its place, with all that it holds. */
export async function clearWorktree(context: WorktreeContext, branch: string): Promise<void> {
  const { layout } = context;
  const folder = layout.worktree(branch);
  const trashed: (string | undefined)[] = [];
  try {
    await context.exclusively(async () => {
      // The files first: by its repository the rest is found where a kill comes between.
      for (const path of [folder, layout.ownRepository(branch), layout.control(branch)]) {
        trashed.push(await moveToTrash(path, layout.trash));
      }
      await removeEmptyFolders(dirname(folder), layout.worktrees);
    });
  } finally {
    for (const path of trashed) await removeTrash(path);
  }
}

/**
 * Clears up behind a kill or somebody's hand, so that the branch can have a worktree: where the folder is gone, its
 * branch comes into the clone, and its repository goes unless it holds more than that; where its `.git` alone is
 * gone, it is written anew.
 * @throws FactoryError WORKTREE_IN_USE, which names what stands in the way
 */
export async function settleWorktree(
  context: WorktreeContext,
  branch: string,
  signal?: AbortSignal,
): Promise<void> {
  const { layout } = context;
  if (!(await isThere(layout.ownRepository(branch)))) return;
  const folder = layout.worktree(branch);
  const files = (await listIfThere(folder)) ?? [];
  if (files.length > 0) {
    // Behind a link it would be written somewhere else.
    if ((await findLinkAbove(join(folder, ".git"), dirname(layout.trash))) !== undefined) return;
    if (!files.includes(".git")) await writeFile(join(folder, ".git"), gitFileOf(layout, branch));
    return;
  }
  const leftover = await describeLeftover(context, branch, signal);
  if (leftover !== undefined) {
    throw new FactoryError(
      "WORKTREE_IN_USE",
      `the folder of ${branch}'s worktree is gone, but its repository holds ${leftover}: save that from ${layout.ownRepository(branch)}, or delete the worktree with force`,
    );
  }
  await takeIn(context, branch, signal);
  await clearWorktree(context, branch);
}

/** Finds what the addition itself would refuse, races apart. @throws FactoryError WORKTREE_IN_USE, BRANCH_CONFLICT */
export async function assertFree(context: WorktreeContext, branch: string): Promise<void> {
  const { layout } = context;
  if (await isWhole(context, branch)) return;
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
    (await findForeign(context, branch)) ??
      `the folder for ${branch} holds files already, but isn't its worktree: move away what is in ${path}`,
  );
}
