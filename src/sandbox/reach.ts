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
  const parts = new Map(files.map((file) => [file, partsOf(file)]));
  const folders = [...new Set([...parts.values()].flat().map((part) => path.dirname(part)))];
  const isOpen = new Map(
    await Promise.all(
      folders.map(async (folder) => [folder, await letsAllThrough(folder)] as const),
    ),
  );
  /** By what is shown: the first part of a path that is behind all closed folders. */
  const numbers = new Map<string, number>();
  const sources = new Map<string, string>();
  for (const file of files) {
    const entry = parts.get(file)?.find((part) => isOpen.get(path.dirname(part)) === false);
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

/** The path itself, the folder that it is in, and so on; without the root. */
function partsOf(file: string): string[] {
  const parts: string[] = [];
  for (let part = file; part !== "/"; part = path.dirname(part)) parts.push(part);
  return parts;
}

async function letsAllThrough(folder: string): Promise<boolean> {
  return ((await stat(folder)).mode & 0o001) !== 0;
}
