// What a killed git, a killed server or somebody's hand left in a repository or beside it. Nothing that may
// be somebody's work goes: that is left and told.
import { basename, dirname, join, relative } from "node:path";
import { FactoryError } from "../errors.ts";
import { removeTree } from "../process/remove-tree.ts";
import { settleWorktree } from "./clear-worktree.ts";
import { listEntriesIfThere, listIfThere, removeFolder } from "./files.ts";
import { readJournal } from "./journal.ts";
import type { Layout } from "./layout.ts";
import type { KeyedMutex } from "./lock.ts";
import { checkBranch, maxRefBytes } from "./names.ts";
import { findGitPlaces, isBelow } from "./processes.ts";
import { sweepEntries } from "./sweep-entries.ts";
import { sweepLocks } from "./sweep-locks.ts";
import type { WorktreeContext } from "./worktree-context.ts";

export interface SweepInput {
  /** Branches whose worktrees are known: what git notes of them stays. */
  readonly keep: readonly string[];
}

export interface SweepParts {
  readonly context: WorktreeContext;
  readonly mutex: KeyedMutex;
  readonly home: string;
  readonly lockGraceMs: number;
}

/** Whatever is being worked on at the moment is left for the next time. @returns what was done, a line each */
export async function sweepRepository(
  { context, mutex, home, lockGraceMs }: SweepParts,
  { keep }: SweepInput,
): Promise<string[]> {
  const { layout } = context;
  const lines = await sweepLocks(layout, { home, graceMs: lockGraceMs });
  const journals = join(layout.control, "journal");
  for (const file of (await listIfThere(journals)) ?? []) {
    if (!file.endsWith(".json")) continue;
    const branch = (await readJournal(join(journals, file)))?.branch;
    if (branch === undefined) continue;
    const what = `what was left in the middle of the worktree ${relative(home, layout.worktree(branch))}`;
    const line = await mutex.runIfIdle(layout.journal(branch), async () => {
      if ((await readJournal(layout.journal(branch))) === undefined) return undefined;
      try {
        await settleWorktree(context, branch);
        return `Cleared ${what}.`;
      } catch (error) {
        if (error instanceof FactoryError) return `Left ${what}: ${error.message}.`;
        throw error;
      }
    });
    if (line !== undefined) lines.push(line);
  }
  const pruned = await mutex.runIfIdle(layout.control, () => sweepEntries(context, { home, keep }));
  return [...lines, ...(pruned ?? [])];
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

/** How folders are named while a clone or its control folder is made beside its place. */
const making = /^(.+\.git)\.(?:cloning|making)-[0-9a-f-]{36}$/;

/** What is beside the repositories: half clones, and what is on its way out. */
export async function sweepHome(
  home: string,
  controlOf: (name: { host: string; owner: string; name: string }) => string,
  mutex: KeyedMutex,
): Promise<string[]> {
  const lines = await sweepTrash(home);
  const folders = [
    ...(await listRepositoryFolders(join(home, "repositories"))),
    ...(await listRepositoryFolders(join(home, "control"))),
  ];
  for (const path of folders) {
    const repository = making.exec(basename(path))?.[1];
    if (repository === undefined) continue;
    const owner = dirname(path);
    const control = controlOf({
      host: basename(dirname(owner)),
      owner: basename(owner),
      name: repository.slice(0, -".git".length),
    });
    const removed = await mutex.runIfIdle(`clone ${control}`, async () => {
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
