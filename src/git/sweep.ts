// What a killed git, a killed server or somebody's hand left in a repository or beside it. Nothing that may
// be somebody's work goes: that is left and told.
import { basename, dirname, join, relative } from "node:path";
import { settleWorktree } from "./clear-worktree.ts";
import { listEntriesIfThere, listIfThere, removeFolder } from "./files.ts";
import { readJournal } from "./journal.ts";
import type { Layout } from "./layout.ts";
import type { KeyedMutex } from "./lock.ts";
import { checkBranch } from "./names.ts";
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
    const settled = await mutex.runIfIdle(layout.journal(branch), async () => {
      if ((await readJournal(layout.journal(branch))) === undefined) return false;
      await settleWorktree(context, branch);
      return true;
    });
    if (settled === true) {
      lines.push(
        `Cleared what was left in the middle of the worktree ${relative(home, layout.worktree(branch))}.`,
      );
    }
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
  const lines: string[] = [];
  // What is here had passed its checks, and may be removed by two at once.
  for (const name of (await listIfThere(join(home, "trash"))) ?? []) {
    await removeFolder(join(home, "trash", name));
    lines.push(`Removed trash/${name}, which a removal had left.`);
  }
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
