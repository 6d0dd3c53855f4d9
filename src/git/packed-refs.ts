import { writeFile } from "node:fs/promises";
import { join } from "node:path";
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
