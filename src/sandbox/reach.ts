// How bubblewrap, as a worker's own user, gets to what lies behind folders that are closed to that user. As root alone.
import { stat } from "node:fs/promises";
import path from "node:path";

export interface Reach {
  /** What the command is begun with, as root; empty where all is open. */
  readonly prefix: readonly string[];
  /** Where one of the paths is reached. */
  sourceOf(file: string): string;
}

const unshare = "/usr/bin/unshare";
const script = path.join(import.meta.dirname, "reach.sh");
/** Where reach.sh shows what it is given, by its number. */
const shown = "/run/factory-reach";

/** @param files absolute, without links. @throws the system's error, such as ENOENT */
export async function findReach(files: readonly string[]): Promise<Reach> {
  const isOpen = rememberOpen();
  /** By what is shown: the first part of a path that is behind all closed folders. */
  const numbers = new Map<string, number>();
  const sources = new Map<string, string>();
  for (const file of files) {
    let entry: string | undefined;
    for (let part = file; part !== "/"; part = path.dirname(part)) {
      if (await isOpen(path.dirname(part))) continue;
      entry = part;
      break;
    }
    if (entry === undefined) continue;
    const number = numbers.get(entry) ?? numbers.size + 1;
    numbers.set(entry, number);
    sources.set(file, `${shown}/${String(number)}${file.slice(entry.length)}`);
  }
  return {
    prefix: numbers.size === 0 ? [] : [unshare, "--mount", "--", script, ...numbers.keys(), "--"],
    sourceOf: (file) => sources.get(file) ?? file,
  };
}

/** Whether everybody is let through a folder. */
function rememberOpen(): (folder: string) => Promise<boolean> {
  const known = new Map<string, Promise<boolean>>();
  return (folder) => {
    const found = known.get(folder) ?? stat(folder).then(({ mode }) => (mode & 0o001) !== 0);
    known.set(folder, found);
    return found;
  };
}
