// What git still notes of worktrees whose folder is gone.
import { dirname, join, relative, resolve } from "node:path";
import { FactoryError } from "../errors.ts";
import { findLoss } from "./entry-loss.ts";
import { isThere, listIfThere, moveToTrash, readIfSound, removeTrash } from "./files.ts";
import { worktreeId } from "./layout.ts";
import { isBelow } from "./processes.ts";
import type { WorktreeContext } from "./worktree-context.ts";

/**
 * Removes entries whose folder, below `home`, is gone, and with which no work goes. Those of the branches in
 * `keep` stay, and all that somebody has locked. Alone among changes to the repository's worktrees.
 */
export async function sweepEntries(
  context: WorktreeContext,
  { home, keep }: { readonly home: string; readonly keep: readonly string[] },
): Promise<string[]> {
  const { layout } = context;
  const kept = new Set(keep.map(worktreeId));
  const lines: string[] = [];
  for (const id of (await listIfThere(join(layout.repository, "worktrees"))) ?? []) {
    const entry = join(layout.repository, "worktrees", id);
    const folder = kept.has(id) ? undefined : await findGoneFolder(entry);
    // Elsewhere it may be on a disk that isn't mounted now.
    if (folder === undefined || !isBelow(folder, [home])) continue;
    const what = `git's entry for the worktree ${relative(home, folder)}, whose folder is gone`;
    const loss = await findLoss(context, entry).catch((error: unknown) => {
      if (error instanceof FactoryError) return error.message;
      throw error;
    });
    if (loss !== undefined) {
      lines.push(`Left ${what}: ${loss}; ${relative(home, entry)} has it.`);
      continue;
    }
    const trashed = await moveToTrash(entry, layout.trash);
    if (trashed === undefined) continue;
    await removeTrash(trashed);
    lines.push(`Removed ${what}.`);
  }
  return lines;
}

/** The folder that the entry is for, where that is gone. */
async function findGoneFolder(entry: string): Promise<string | undefined> {
  const gitFile = (await readIfSound(join(entry, "gitdir")))?.trim();
  // A worker can write there what no path holds.
  if (gitFile === undefined || gitFile.includes("\0") || (await isThere(join(entry, "locked"))))
    return undefined;
  const folder = dirname(resolve(entry, gitFile));
  return (await isThere(folder)) ? undefined : folder;
}
