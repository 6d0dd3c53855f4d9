import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { StringDecoder } from "node:string_decoder";
import { diffArguments, parseCounts, type ChangeCounts } from "./diff-counts.ts";
import { findAsCheckedOut } from "./as-checked-out.ts";
import { emptyTree } from "./layout.ts";
import { copyUntrustedFile } from "../untrusted-file.ts";
import { codeOf } from "./files.ts";
import { findUnreadFiles, leaveOut, showLarge } from "./unread-files.ts";
import {
  assertWorktree,
  openWorktree,
  type WorktreeContext,
  type WorktreeGit,
} from "./worktree-git.ts";

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
  await assertWorktree(context, branch);
  const git = await openWorktree(context, branch);
  // The worker's own git may be using the real index at this moment.
  const indexFile = join(git.scratch, randomUUID());
  try {
    await copyIndex(join(git.gitDirectory, "index"), indexFile);
    const index = { git, indexFile, signal };
    const large = await prepareIndex(index);
    const from = baseCommit ?? emptyTree;
    // One after the other would read all files twice as long; they disturb each other in nothing.
    const [counts, patch] = await Promise.all([
      git.runInFiles({ arguments: diffArguments("--shortstat", [from]), indexFile, signal }),
      readPatch(index, from, limitBytes),
    ]);
    return addLarge({ ...patch, ...parseCounts(counts) }, large, limitBytes);
  } finally {
    await rm(indexFile, { force: true });
    await rm(`${indexFile}.lock`, { force: true });
  }
}

/** A copy of the worktree's own, to be changed. */
interface Index {
  readonly git: WorktreeGit;
  readonly indexFile: string;
  readonly signal: AbortSignal | undefined;
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
async function prepareIndex(index: Index): Promise<readonly string[]> {
  const { git, indexFile, signal } = index;
  const [untracked, changed] = await Promise.all([
    // A path with a slash at its end is a repository of its own.
    listPaths(index, ["ls-files", "--others", "--exclude-standard", "-z"]),
    listPaths(index, ["diff-files", "--name-only", "--ignore-submodules=dirty", "-z"]),
  ]);
  const files = untracked.filter((path) => !path.endsWith("/"));
  const unread = await findUnreadFiles(git.workTree, [...files, ...changed]);
  const large = new Set(unread.large);
  const entered = files.filter((path) => !large.has(path));
  const same = await findAsCheckedOut(
    git,
    changed.filter((path) => !large.has(path)),
    signal,
  );
  await enterUntracked(index, entered);
  const isNew = new Set(files);
  const unchanged = [...unread.large.filter((path) => !isNew.has(path)), ...same];
  await leaveOut(git, indexFile, { special: unread.special, large: unchanged }, signal);
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
  { git, indexFile, signal }: Index,
  command: readonly string[],
): Promise<string[]> {
  let output = "";
  const decoder = new StringDecoder("latin1");
  await git.runInFiles({
    arguments: command,
    indexFile,
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
  { git, indexFile, signal }: Index,
  paths: readonly string[],
): Promise<void> {
  const entries = paths.map((path) => `100644 ${emptyBlob} 0\t${path}\0`);
  if (entries.length === 0) return;
  await git.runInFiles({
    arguments: ["update-index", "-z", "--index-info"],
    indexFile,
    signal,
    input: Buffer.from(entries.join(""), "latin1"),
  });
}

async function readPatch(
  { git, indexFile, signal }: Index,
  from: string,
  limitBytes: number,
): Promise<{ text: string; truncated: boolean }> {
  const decoder = new StringDecoder("utf8");
  const state = { text: "", room: limitBytes, truncated: false };
  await git.runInFiles({
    arguments: diffArguments("--patch", [from]),
    indexFile,
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
