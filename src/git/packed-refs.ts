import { opendir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { codeOf } from "./files.ts";
import { isRefName } from "./names.ts";

/**
 * Writes all refs of a repository at once (gitrepository-layout(5), packed-refs). Only for a repository without refs
 * that nobody else uses. False, and nothing is written: one of the names isn't a ref's, or not as it was read.
 */
export async function writePackedRefs(
  folder: string,
  refs: ReadonlyMap<string, string>,
): Promise<boolean> {
  // U+FFFD stands for bytes that are no UTF-8.
  if ([...refs.keys()].some((ref) => !isRefName(ref) || ref.includes("\uFFFD"))) return false;
  const lines = [...refs].map(([ref, id]) => Buffer.from(`${ref}\0${id}`));
  // git searches in it by the order of its bytes. Sorted by the name alone, as NUL comes before all others.
  lines.sort((one, other) => Buffer.compare(one, other));
  const text = lines.map((line) => {
    const [ref = "", id = ""] = line.toString().split("\0");
    return `${id} ${ref}\n`;
  });
  await writeFile(join(folder, "packed-refs"), `# pack-refs with: sorted \n${text.join("")}`);
  return true;
}

/** What a worker did to a folder of refs is no reason to fail: there is nothing to pack in it. */
const unread = new Set(["ENOENT", "ENOTDIR", "ENAMETOOLONG", "EACCES", "ELOOP"]);

/** Whether so many refs, and folders of refs, are files below the folders. Looks at no more than that many. */
export async function hasLooseRefs(folders: readonly string[], many: number): Promise<boolean> {
  let found = 0;
  const left = [...folders];
  for (let folder = left.pop(); folder !== undefined; folder = left.pop()) {
    try {
      for await (const entry of await opendir(folder)) {
        found += 1;
        if (found >= many) return true;
        if (entry.isDirectory()) left.push(join(folder, entry.name));
      }
    } catch (error) {
      if (!unread.has(codeOf(error) ?? "")) throw error;
    }
  }
  return false;
}
