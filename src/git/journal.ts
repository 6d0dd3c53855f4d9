// What is being done to a worktree, written down before it is begun and removed when it is done: whoever
// finds it knows what a killed server left, and that no worker was let in yet or any more.
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { listIfThere, partSuffix, readIfThere, replaceFile } from "./files.ts";

export interface Journal {
  readonly branch: string;
  readonly doing: "add" | "remove";
  /** add: the branch is made with the worktree, at this commit. remove: it goes with it, from there. */
  readonly branchCommit: string | null;
}

export async function writeJournal(path: string, journal: Journal): Promise<void> {
  await replaceFile(path, JSON.stringify(journal));
}

/** undefined where nothing is under way. */
export async function readJournal(path: string): Promise<Journal | undefined> {
  const text = await readIfThere(path);
  if (text === undefined) return undefined;
  // Written whole by this file alone, in a folder that is the server's own.
  return JSON.parse(text) as Journal;
}

/**
 * All that is under way, for a server that starts. A journal that was written in part is removed: nothing
 * was begun before it was whole.
 */
export async function readJournals(folder: string): Promise<Journal[]> {
  const journals: Journal[] = [];
  for (const file of (await listIfThere(folder)) ?? []) {
    const path = join(folder, file);
    if (file.endsWith(partSuffix)) {
      await removeJournal(path);
      continue;
    }
    const journal = await readJournal(path);
    if (journal !== undefined) journals.push(journal);
  }
  return journals;
}

export async function removeJournal(path: string): Promise<void> {
  await rm(path, { force: true });
}
