// git takes a file for changed whose content, as it would commit it now, isn't what is committed; for one that was
// committed with CRLF under `text eol=lf` that is so from its checkout on (gitattributes(5)). Nobody changed it.
import { randomUUID } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { readUntrustedFile } from "../untrusted-file.ts";
import { FactoryError } from "../errors.ts";
import { codeOf, removeFolder } from "./files.ts";
import { toText } from "./shown.ts";
import type { WorktreeGit } from "./worktree-git.ts";

/** Of all files that are compared together, in bytes. */
const maxTotalBytes = 64 * 1024 * 1024;

/**
 * Those of the paths whose files are, byte by byte, what a checkout writes.
 * @param paths each byte a character (latin1)
 */
export async function findAsCheckedOut(
  git: WorktreeGit,
  paths: readonly string[],
  signal: AbortSignal | undefined,
): Promise<ReadonlySet<string>> {
  const files = await readWithCarriageReturns(git.workTree, paths);
  if (files.size === 0) return new Set();
  const folder = join(git.scratch, randomUUID());
  await mkdir(folder, { mode: 0o700 });
  try {
    await git.runInFiles({
      arguments: ["checkout-index", `--prefix=${folder}/`, "-z", "--stdin"],
      input: Buffer.from([...files.keys()].map((path) => `${path}\0`).join(""), "latin1"),
      signal,
    });
    const same = new Set<string>();
    for (const [path, content] of files) {
      const written = await readIfSmall(join(folder, toText(path)), maxTotalBytes, folder);
      if (written?.equals(content) === true) same.add(path);
    }
    return same;
  } finally {
    await removeFolder(folder);
  }
}

/** Where a file has none, its line ends are not what makes it differ. */
async function readWithCarriageReturns(
  workTree: string,
  paths: readonly string[],
): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  let room = maxTotalBytes;
  for (const path of paths) {
    const content = await readIfSmall(join(workTree, toText(path)), room, workTree);
    if (content?.includes(0x0d) !== true) continue;
    room -= content.length;
    files.set(path, content);
  }
  return files;
}

/** undefined: larger, gone, no regular file, or reached by a link. */
async function readIfSmall(
  path: string,
  maxBytes: number,
  workTree: string,
): Promise<Buffer | undefined> {
  try {
    return await readUntrustedFile(path, { maxBytes, root: dirname(workTree) });
  } catch (error) {
    if (error instanceof FactoryError || codeOf(error) !== undefined) return undefined;
    throw error;
  }
}
