// What a killed git, a killed server or somebody's hand left in a repository or beside it. Nothing that may
// be somebody's work goes: that is left and told.
import { basename, dirname, join, relative } from "node:path";
import { FactoryError } from "../errors.ts";
import { removeTree } from "../process/remove-tree.ts";
import { settleWorktree } from "./add-worktree.ts";
import { readControlBranch } from "./control.ts";
import { isThere, listEntriesIfThere, listIfThere, removeFolder } from "./files.ts";
import { worktreeId, type Layout } from "./layout.ts";
import type { KeyedMutex } from "./lock.ts";
import { checkBranch, maxRefBytes } from "./names.ts";
import { findGitPlaces, isBelow } from "./processes.ts";
import { sweepLocks } from "./sweep-locks.ts";
import type { WorktreeContext } from "./worktree-git.ts";

export interface SweepInput {
  /** Branches whose worktrees are known: their repositories stay. */
  readonly keep: readonly string[];
}

export interface SweepParts {
  readonly context: WorktreeContext;
  readonly home: string;
  readonly lockGraceMs: number;
  /** Runs while nobody makes or removes the branch's worktree; not at all where somebody does just now. */
  readonly ifIdle: <T>(branch: string, run: () => Promise<T>) => Promise<T | undefined>;
}

/** Whatever is being worked on at the moment is left for the next time. @returns what was done, a line each */
export async function sweepRepository(
  { context, home, lockGraceMs, ifIdle }: SweepParts,
  { keep }: SweepInput,
): Promise<string[]> {
  const { layout } = context;
  const how = { home, graceMs: lockGraceMs };
  const kept = new Map(keep.map((branch) => [worktreeId(branch), branch]));
  const lines = await sweepLocks(layout.repository, [layout.controls], how);
  for (const name of (await listIfThere(layout.ownRepositories)) ?? []) {
    const own = join(layout.ownRepositories, name);
    const id = basename(name, ".git");
    const control = join(layout.controls, id);
    const branch = kept.get(id) ?? (await readControlBranch(control));
    const folder = branch === undefined ? [] : [layout.worktree(branch)];
    lines.push(...(await sweepLocks(own, [control, ...folder], how)));
    if (branch === undefined || kept.has(id)) continue;
    const line = await ifIdle(branch, () => sweepLeftover(context, home, branch));
    if (line !== undefined) lines.push(line);
  }
  return lines;
}

/** The repository of a worktree that nobody knows, and whose folder is gone. */
async function sweepLeftover(
  context: WorktreeContext,
  home: string,
  branch: string,
): Promise<string | undefined> {
  const { layout } = context;
  if (await isThere(layout.worktree(branch))) return undefined;
  const what = `the repository of the worktree ${relative(home, layout.worktree(branch))}, whose folder is gone`;
  try {
    await settleWorktree(context, branch);
    return `Removed ${what}: its branch is in the clone.`;
  } catch (error) {
    if (error instanceof FactoryError) return `Left ${what}: ${error.message}.`;
    throw error;
  }
}

export interface WorktreeFolders {
  /** Branches by whose name there is a folder that says that it is a worktree. */
  readonly branches: readonly string[];
  /** Absolute folders with files in them that are no worktree's. */
  readonly strays: readonly string[];
}

export async function listWorktreeFolders({ worktrees }: Layout): Promise<WorktreeFolders> {
  const branches: string[] = [];
  const strays: string[] = [];
  async function look(folder: string): Promise<void> {
    // Deeper than any branch's name: a path that is too long can't be listed at all.
    if (Buffer.byteLength(relative(worktrees, folder)) > maxRefBytes) {
      strays.push(folder);
      return;
    }
    // Gone: a removal goes on beside.
    const entries = (await listEntriesIfThere(folder)) ?? [];
    if (folder !== worktrees && entries.some(({ name }) => name === ".git")) {
      const branch = relative(worktrees, folder);
      (isBranch(branch) ? branches : strays).push(isBranch(branch) ? branch : folder);
    } else if (entries.some((entry) => !entry.isDirectory())) {
      strays.push(folder);
    } else {
      for (const { name } of entries) await look(join(folder, name));
    }
  }
  await look(worktrees);
  return { branches, strays };
}

function isBranch(name: string): boolean {
  try {
    checkBranch(name);
    return true;
  } catch {
    // What is wrong with it doesn't matter: a folder of that name isn't a worktree of ours.
    return false;
  }
}

/** How a folder is named while a clone is made beside its place. */
const cloning = /^(.+\.git)\.cloning-[0-9a-f-]{36}$/;

/** What is beside the repositories: half clones, and what is on its way out. */
export async function sweepHome(home: string, mutex: KeyedMutex): Promise<string[]> {
  const lines = await sweepTrash(home);
  for (const path of await listRepositoryFolders(join(home, "repositories"))) {
    const repository = cloning.exec(basename(path))?.[1];
    if (repository === undefined) continue;
    const removed = await mutex.runIfIdle(`clone ${join(dirname(path), repository)}`, async () => {
      const places = await findGitPlaces(home);
      if (places?.some((place) => isBelow(place, [path])) !== false) return false;
      await removeFolder(path);
      return true;
    });
    if (removed === true) {
      lines.push(`Removed ${relative(home, path)}, a clone that was left in the middle.`);
    }
  }
  return lines;
}

const trashTimeoutMs = 10 * 60_000;

/** What is here had passed its checks, and may be removed by two at once. @returns what was done, a line each */
export async function sweepTrash(home: string, withinMs = trashTimeoutMs): Promise<string[]> {
  const lines: string[] = [];
  const deadline = performance.now() + withinMs;
  for (const name of (await listIfThere(join(home, "trash"))) ?? []) {
    try {
      // Half of the time that is left: one that takes too long hides none that is behind it.
      const timeoutMs = Math.max(1, Math.ceil((deadline - performance.now()) / 2));
      await removeTree(join(home, "trash", name), timeoutMs);
      lines.push(`Removed trash/${name}, which a removal had left.`);
    } catch (error) {
      if (!(error instanceof FactoryError)) throw error;
      lines.push(`Left trash/${name}: ${error.message}.`);
    }
  }
  return lines;
}

/** What is in <root>/<host>/<owner>. */
export async function listRepositoryFolders(root: string): Promise<string[]> {
  const found: string[] = [];
  for (const host of (await listIfThere(root)) ?? []) {
    for (const owner of (await listIfThere(join(root, host))) ?? []) {
      for (const name of (await listIfThere(join(root, host, owner))) ?? []) {
        found.push(join(root, host, owner, name));
      }
    }
  }
  return found;
}
