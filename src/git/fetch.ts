import { readCredentialVariables } from "./credentials.ts";
import { replaceFile } from "./files.ts";
import type { Layout } from "./layout.ts";
import { join } from "node:path";
import { createProgress, type TellProgress } from "./progress.ts";
import { readRefs, readRemoteRefs, type Refs, type RemoteRefs } from "./refs.ts";
import type { GitPlace, GitRunner } from "./run.ts";

/** The remote's default branch and its tip; null in a repository without commits. */
export interface RemoteTips {
  readonly defaultBranch: string | null;
  readonly headCommit: string | null;
}

export interface FetchResult extends RemoteTips {
  /** Whether any branch, tag or the default branch differs from what the last fetch found. */
  readonly changed: boolean;
}

/** Reading the list of refs, which starts at once or not at all. */
export const lookTimeoutMs = 90_000;
const transferTimeoutMs = 60 * 60_000;
/** git shows progress every second; resolving a large pack's deltas is told of too. */
const stallMs = 5 * 60_000;

export interface FetchOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: TellProgress | undefined;
}

export async function fetchRemote(
  git: GitRunner,
  layout: Layout,
  { signal, onProgress }: FetchOptions,
): Promise<FetchResult> {
  const place = { gitDirectory: layout.control };
  const environment = await readCredentialVariables(layout.credentials);
  const ending = new AbortController();
  const either = signal === undefined ? ending.signal : AbortSignal.any([signal, ending.signal]);
  // One look at each side costs less than a fetch that finds nothing.
  const reading = readRefs(git, place, either);
  const looking = readRemoteRefs(git, place, {
    signal: either,
    environment,
    timeoutMs: lookTimeoutMs,
  });
  let here: Refs;
  let there: RemoteRefs;
  try {
    [here, there] = await Promise.all([reading, looking]);
  } catch (error) {
    ending.abort();
    await Promise.allSettled([reading, looking]);
    throw error;
  }
  const changes = compare(here, there);
  if (!changes.any) return { ...tipsOf(there.defaultBranch, here), changed: false };

  await deleteRemoteBranches(git, place, changes.gone, signal);
  if (changes.fetch) await transfer(git, place, { environment, signal, onProgress });
  if (there.defaultBranch !== null && there.defaultBranch !== here.remoteHead) {
    await setDefaultBranch(git, layout, place, there.defaultBranch);
  }
  return { ...tipsOf(there.defaultBranch, await readRefs(git, place, signal)), changed: true };
}

export interface Transfer {
  readonly environment: Record<string, string>;
  readonly signal: AbortSignal | undefined;
  readonly onProgress?: TellProgress | undefined;
  readonly timeoutMs?: number | undefined;
}

/** Gets all branches and tags. Removes nothing: a local tag that the remote lacks may be a worker's work. */
export async function transfer(git: GitRunner, place: GitPlace, how: Transfer): Promise<void> {
  const { onProgress: tell, timeoutMs = transferTimeoutMs, ...rest } = how;
  const onProgress = createProgress(tell);
  await git({
    arguments: ["fetch", "--progress", "--no-write-fetch-head", "--no-prune", "origin"],
    place,
    network: true,
    waitsForLocks: true,
    timeoutMs,
    stallMs,
    ...rest,
    ...(onProgress === undefined ? {} : { onProgress }),
  });
}

/** Makes it what a clone has in HEAD and in origin/HEAD, where workers and their tools look for it. */
export async function setDefaultBranch(
  git: GitRunner,
  layout: Layout,
  place: GitPlace,
  branch: string,
): Promise<void> {
  await git({
    arguments: ["symbolic-ref", "refs/remotes/origin/HEAD", `refs/remotes/origin/${branch}`],
    place,
    waitsForLocks: true,
  });
  await replaceFile(join(layout.repository, "HEAD"), `ref: refs/heads/${branch}\n`);
}

export function tipsOf(defaultBranch: string | null, refs: Refs): RemoteTips {
  const headCommit = defaultBranch === null ? undefined : refs.remote.get(defaultBranch);
  return headCommit === undefined
    ? { defaultBranch: null, headCommit: null }
    : { defaultBranch, headCommit };
}

function compare(here: Refs, there: RemoteRefs) {
  const gone = [...here.remote].filter(([name]) => !there.branches.has(name));
  const differs = (mine: ReadonlyMap<string, string>, theirs: ReadonlyMap<string, string>) =>
    [...theirs].some(([name, id]) => mine.get(name) !== id);
  const fetch = differs(here.remote, there.branches) || differs(here.tags, there.tags);
  const moved = there.defaultBranch !== null && there.defaultBranch !== here.remoteHead;
  return { gone, fetch, any: gone.length > 0 || fetch || moved };
}

/** Before the fetch: the remote may have feat/x where it had feat, and both can't be. */
async function deleteRemoteBranches(
  git: GitRunner,
  place: GitPlace,
  gone: readonly (readonly [name: string, id: string])[],
  signal: AbortSignal | undefined,
): Promise<void> {
  if (gone.length === 0) return;
  await git({
    arguments: ["update-ref", "--stdin", "--no-deref"],
    place,
    waitsForLocks: true,
    signal,
    input: gone.map(([name, id]) => `delete refs/remotes/origin/${name} ${id}\n`).join(""),
  });
}
