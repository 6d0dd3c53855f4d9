// The repository of a worktree: a few files, which borrow the objects of the clone.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readIfThere, replaceFile } from "./files.ts";
import type { WorktreeContext } from "./worktree-git.ts";

/** What the clone has of the remote, and where it has a local branch. */
export interface CloneRefs {
  /** A line for each of the remote's, as packed-refs has it; names need not be UTF-8. */
  readonly packed: Buffer;
  /** null: there is no such branch. */
  readonly tip: string | null;
}

/** One look for both: each takes a call of git. */
export async function readCloneRefs(
  { git, place }: WorktreeContext,
  branch: string,
  signal: AbortSignal | undefined,
): Promise<CloneRefs> {
  const lines = await readRefLines({ git, place }, [`refs/heads/${branch}`, ...ofRemote], signal);
  const isLocal = (line: string) => line.slice(41).startsWith("refs/heads/");
  // The pattern also stands for a folder of that name.
  const ref = Buffer.from(`refs/heads/${branch}`).toString("latin1");
  const tip = lines.find((line) => line.slice(41) === ref)?.slice(0, 40) ?? null;
  return { packed: packRefLines(lines.filter((line) => !isLocal(line))), tip };
}

/** The branches and tags of the remote under the names that they have there, as packed-refs has them. */
export async function readRemoteRefFile(
  context: Pick<WorktreeContext, "git" | "place">,
  signal: AbortSignal | undefined,
): Promise<Buffer> {
  const lines = await readRefLines(context, ofRemote, signal);
  return packRefLines(
    lines.map((line) => line.replace(/^(.{40} refs\/)remotes\/origin\//, "$1heads/")),
  );
}

const ofRemote = ["refs/remotes/origin/", "refs/tags/"];

/** A line for each ref, in git's order: id, space, name, as latin1, since names need not be UTF-8. */
async function readRefLines(
  { git, place }: Pick<WorktreeContext, "git" | "place">,
  patterns: readonly string[],
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const chunks: Buffer[] = [];
  await git({
    arguments: [
      "for-each-ref",
      // The one that stands for another is no line of that file.
      "--format=%(if)%(symref)%(then)%(else)%(objectname) %(refname)%(end)",
      ...patterns,
    ],
    place,
    signal,
    onOutput(chunk) {
      chunks.push(chunk);
      return true;
    },
  });
  const lines = Buffer.concat(chunks).toString("latin1").split("\n");
  return lines.filter((line) => line !== "");
}

function packRefLines(lines: readonly string[]): Buffer {
  const text = ["# pack-refs with: sorted ", ...lines].map((line) => `${line}\n`).join("");
  return Buffer.from(text, "latin1");
}

/**
 * With the refs of the remote as the clone has them, and of the local branches that of the worktree alone.
 * `commit`: where that stands; null: it has none yet. Its configuration is written by the caller.
 */
export async function makeOwnRepository(
  { layout: { repository } }: WorktreeContext,
  {
    folder,
    branch,
    commit,
    packed,
  }: { folder: string; branch: string; commit: string | null; packed: Buffer },
): Promise<void> {
  const remoteHead = "refs/remotes/origin/HEAD";
  await Promise.all(
    ["objects/info", "objects/pack", "refs/heads", "refs/tags", "refs/remotes/origin", "hooks"].map(
      (name) => mkdir(join(folder, name), { recursive: true }),
    ),
  );
  const [head, shallow] = await Promise.all(
    [remoteHead, "shallow"].map((name) => readIfThere(join(repository, name))),
  );
  await Promise.all([
    writeFile(join(folder, "HEAD"), `ref: refs/heads/${branch}\n`),
    writeFile(join(folder, "objects/info/alternates"), `${join(repository, "objects")}\n`),
    writeFile(join(folder, "packed-refs"), packed),
    commit === null ? undefined : replaceFile(join(folder, "refs/heads", branch), `${commit}\n`),
    head === undefined ? undefined : writeFile(join(folder, remoteHead), head),
    shallow === undefined ? undefined : writeFile(join(folder, "shallow"), shallow),
  ]);
}
