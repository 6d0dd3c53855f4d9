// The repository of a worktree: a few files, which borrow the objects of the clone.
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { codeOf, readIfThere } from "./files.ts";
import type { WorktreeContext } from "./worktree-git.ts";

/**
 * With the refs of the remote as the clone has them, and of the local branches that of the worktree alone.
 * `commit`: where that stands; null: it has none yet. Its configuration is written by the caller.
 */
export async function makeOwnRepository(
  context: WorktreeContext,
  {
    folder,
    branch,
    commit,
    signal,
  }: { folder: string; branch: string; commit: string | null; signal: AbortSignal | undefined },
): Promise<void> {
  const { repository } = context.layout;
  const remoteHead = "refs/remotes/origin/HEAD";
  await Promise.all(
    ["objects/info", "objects/pack", "refs/heads", "refs/tags", "refs/remotes/origin", "hooks"].map(
      (name) => mkdir(join(folder, name), { recursive: true }),
    ),
  );
  const [refs, head] = await Promise.all([
    readRemoteRefs(context, signal),
    readIfThere(join(repository, remoteHead)),
  ]);
  const own = commit === null ? "" : `${commit} refs/heads/${branch}\n`;
  await Promise.all([
    writeFile(join(folder, "HEAD"), `ref: refs/heads/${branch}\n`),
    writeFile(join(folder, "objects/info/alternates"), `${join(repository, "objects")}\n`),
    // Sorted by its bytes, as refs/heads/ comes before the others.
    writeFile(
      join(folder, "packed-refs"),
      Buffer.concat([Buffer.from(`# pack-refs with: sorted \n${own}`), refs]),
    ),
    head === undefined ? undefined : writeFile(join(folder, remoteHead), head),
    copyIfThere(join(repository, "shallow"), join(folder, "shallow")),
  ]);
}

/** A line for each, as packed-refs has it; names need not be UTF-8. */
async function readRemoteRefs(
  { git, place }: WorktreeContext,
  signal: AbortSignal | undefined,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  await git({
    arguments: [
      "for-each-ref",
      // The one that stands for another is no line of that file.
      "--format=%(if)%(symref)%(then)%(else)%(objectname) %(refname)%(end)",
      "refs/remotes/origin/",
      "refs/tags/",
    ],
    place,
    signal,
    onOutput(chunk) {
      chunks.push(chunk);
      return true;
    },
  });
  const lines = Buffer.concat(chunks).toString("latin1").split("\n");
  return Buffer.from(
    lines
      .filter((line) => line !== "")
      .map((line) => `${line}\n`)
      .join(""),
    "latin1",
  );
}

async function copyIfThere(from: string, to: string): Promise<void> {
  try {
    await copyFile(from, to);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
}
