import { randomUUID } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { StringDecoder } from "node:string_decoder";
import { diffArguments, parseCounts, type ChangeCounts } from "./diff-counts.ts";
import { emptyTree } from "./layout.ts";
import { copyUntrustedFile } from "../untrusted-file.ts";
import { codeOf } from "./files.ts";
import { assertWorktree } from "./inspect-worktree.ts";
import type { GitPlace, GitRunner } from "./run.ts";
import { findUnreadFiles, leaveOut, showLarge } from "./unread-files.ts";
import { worktreePlace, type WorktreeContext } from "./worktree-context.ts";

export interface DiffInput {
  readonly branch: string;
  /** null: from nothing. */
  readonly baseCommit: string | null;
  /** Default: 1 MiB. */
  readonly limitBytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The counts are of the whole diff, wherever the text is cut. */
export interface WorktreeDiff extends ChangeCounts {
  /** Unified; bytes that aren't UTF-8 are replaced by U+FFFD. */
  readonly text: string;
  readonly truncated: boolean;
}

const defaultLimitBytes = 1024 * 1024;
/** Of the names of untracked files; those beyond it are left out. */
const mostPathBytes = 16 * 1024 * 1024;
/** Of some two million files. */
const maxIndexBytes = 256 * 1024 * 1024;
/** The id of a file without content. */
const emptyBlob = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391";

/** From the commit to the files as they are, untracked ones included. @throws FactoryError WORKTREE_NOT_FOUND */
export async function diffWorktree(
  context: WorktreeContext,
  { branch, baseCommit, limitBytes = defaultLimitBytes, signal }: DiffInput,
): Promise<WorktreeDiff> {
  const { layout, git } = context;
  await assertWorktree(context, branch);
  const folder = join(layout.control, "temporary");
  await mkdir(folder, { recursive: true });
  // The worker's own git may be using the real index at this moment.
  const indexFile = join(folder, randomUUID());
  try {
    await copyIndex(join(layout.worktreeGitDirectory(branch), "index"), indexFile);
    const place = { ...worktreePlace(layout, branch), indexFile };
    const large = await prepareIndex(git, place, signal);
    const from = baseCommit ?? emptyTree;
    // One after the other would read all files twice as long; they disturb each other in nothing.
    const [counts, patch] = await Promise.all([
      git({ arguments: diffArguments("--shortstat", [from]), place, signal }),
      readPatch(git, place, { from, limitBytes, signal }),
    ]);
    return addLarge({ ...patch, ...parseCounts(counts) }, large, limitBytes);
  } finally {
    await rm(indexFile, { force: true });
    await rm(`${indexFile}.lock`, { force: true });
  }
}

async function copyIndex(from: string, to: string): Promise<void> {
  try {
    // With its times: an entry no older than its index is compared by content, since it may have changed within that
    // second; with a younger index git would believe that it has not. Source: Documentation/technical/racy-git of git.
    await copyUntrustedFile(from, to, { maxBytes: maxIndexBytes });
  } catch (error) {
    // A worktree without a commit has none.
    if (codeOf(error) !== "ENOENT") throw error;
  }
}

/** Enters what is untracked, and leaves out what no diff can read. @returns the paths that count as changed anyway */
async function prepareIndex(
  git: GitRunner,
  place: Required<GitPlace>,
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  const [untracked, changed] = await Promise.all([
    // A path with a slash at its end is a repository of its own.
    listPaths(git, ["ls-files", "--others", "--exclude-standard", "-z"], place, signal),
    listPaths(git, ["diff-files", "--name-only", "--ignore-submodules=dirty", "-z"], place, signal),
  ]);
  const files = untracked.filter((path) => !path.endsWith("/"));
  const unread = await findUnreadFiles(place.workTree, [...files, ...changed]);
  const large = new Set(unread.large);
  const entered = files.filter((path) => !large.has(path));
  await enterUntracked(git, place, entered, signal);
  const isNew = new Set(files);
  await leaveOut(
    git,
    place,
    { special: unread.special, large: unread.large.filter((path) => !isNew.has(path)) },
    signal,
  );
  return unread.large;
}

/** The counts of their lines stay: a binary file has none. */
function addLarge(diff: WorktreeDiff, paths: readonly string[], limitBytes: number): WorktreeDiff {
  if (paths.length === 0) return diff;
  const added = paths.map(showLarge).join("");
  const hasRoom = !diff.truncated && Buffer.byteLength(diff.text) + added.length <= limitBytes;
  return {
    ...diff,
    filesChanged: diff.filesChanged + paths.length,
    ...(hasRoom ? { text: diff.text + added } : { truncated: true }),
  };
}

/** At most 16 MiB of them, each byte a character. */
async function listPaths(
  git: GitRunner,
  command: string[],
  place: GitPlace,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  let output = "";
  const decoder = new StringDecoder("latin1");
  await git({
    arguments: command,
    place,
    signal,
    onOutput(chunk) {
      output += decoder.write(chunk);
      return output.length < mostPathBytes;
    },
  });
  // The last part is empty, or half a path.
  return output.split("\0").slice(0, -1);
}

/**
 * Only files in the index are compared, so what is untracked is entered there. Not by `git add`, which also
 * runs `git status` in each submodule, with the configuration that a worker gave it. The entries say an empty
 * file that was never looked at, so that git reads the file itself, its kind and mode included.
 */
async function enterUntracked(
  git: GitRunner,
  place: GitPlace,
  paths: readonly string[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const entries = paths.map((path) => `100644 ${emptyBlob} 0\t${path}\0`);
  if (entries.length === 0) return;
  await git({
    arguments: ["update-index", "-z", "--index-info"],
    place,
    signal,
    input: Buffer.from(entries.join(""), "latin1"),
  });
}

async function readPatch(
  git: GitRunner,
  place: GitPlace,
  {
    from,
    limitBytes,
    signal,
  }: { from: string; limitBytes: number; signal: AbortSignal | undefined },
): Promise<{ text: string; truncated: boolean }> {
  const decoder = new StringDecoder("utf8");
  const state = { text: "", room: limitBytes, truncated: false };
  await git({
    arguments: diffArguments("--patch", [from]),
    place,
    signal,
    onOutput(chunk) {
      // The decoder keeps back the bytes of a character that isn't whole: a cut never splits one.
      state.text += decoder.write(chunk.subarray(0, state.room));
      state.truncated = chunk.length > state.room;
      state.room = Math.max(0, state.room - chunk.length);
      return !state.truncated;
    },
  });
  const { text, truncated } = state;
  return { text: truncated ? text : text + decoder.end(), truncated };
}
