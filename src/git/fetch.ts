import { readCredentialVariables } from "./credentials.ts";
import { replaceFile } from "./files.ts";
import type { Layout } from "./layout.ts";
import { join } from "node:path";
import { FactoryError } from "../errors.ts";
import { GitFailure } from "./failure.ts";
import { hasLooseRefs, writePackedRefs } from "./packed-refs.ts";
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
/** git writes each ref that it fetches to a file, which slows down every later reading of refs. Many fetches add up. */
const refsToPack = 100;
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
  const place = { gitDirectory: layout.repository };
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

  // U+FFFD stands for bytes that are no UTF-8: git alone knows the name, and removes it while it fetches.
  const canDelete = !changes.gone.some(([name]) => name.includes("\uFFFD"));
  if (canDelete) await deleteRemoteBranches(git, place, changes.gone, signal);
  if (changes.fetch > 0 || !canDelete) {
    const options = canDelete ? [] : ["--prune"];
    await fetch(git, place, options, { environment, signal, onProgress });
  }
  const written = ["refs/remotes/origin", "refs/tags"].map((part) => join(layout.repository, part));
  if (changes.fetch > 0 && (await hasLooseRefs(written, refsToPack))) {
    await git({ arguments: ["pack-refs", "--all"], place, waitsForLocks: true, signal });
  }
  const branch = there.defaultBranch;
  const now = await readRefs(git, place, signal, [`refs/remotes/origin/${branch ?? "HEAD"}`]);
  assertBrought(there, now, here);
  if (there.defaultBranch !== null && there.defaultBranch !== here.remoteHead) {
    await setDefaultBranch(git, layout, place, there.defaultBranch);
  }
  return { ...tipsOf(there.defaultBranch, now), changed: true };
}

/**
 * git ends with success where it leaves out refs that it doesn't take.
 * @throws FactoryError REMOTE_UNREACHABLE where the default branch that the remote names isn't here, or didn't move
 */
export function assertBrought(there: RemoteRefs, now: Refs, before?: Refs): void {
  const { defaultBranch: branch, branches } = there;
  if (branch === null) return;
  const tip = now.remote.get(branch);
  // Another one than was looked at is a later one.
  const isOld = tip !== branches.get(branch) && tip === before?.remote.get(branch);
  if (tip !== undefined && !isOld) return;
  throw new FactoryError(
    "REMOTE_UNREACHABLE",
    `the fetch did not bring the remote's default branch ${branch}: try again, and check the remote if it stays so`,
  );
}

export interface Transfer {
  readonly environment: Record<string, string>;
  readonly signal: AbortSignal | undefined;
  readonly onProgress?: TellProgress | undefined;
  readonly timeoutMs?: number | undefined;
}

/**
 * As `transfer`, into a repository that has no ref yet and that nobody else uses: the refs are written at once,
 * as git clone does it, not one by one.
 */
export async function transferFirst(
  git: GitRunner,
  place: GitPlace,
  { branches, tags }: RemoteRefs,
  how: Transfer,
): Promise<void> {
  const refs = new Map<string, string>();
  for (const [name, id] of branches) refs.set(`refs/remotes/origin/${name}`, id);
  for (const [name, id] of tags) refs.set(`refs/tags/${name}`, id);
  try {
    await fetch(git, place, ["--refmap=", "--stdin"], {
      ...how,
      input: [...new Set(refs.values())].map((id) => `${id}\n`).join(""),
    });
  } catch (error) {
    if (!hasMoved(error)) throw error;
    await transfer(git, place, how);
    return;
  }
  // A name that isn't one is left to git, which knows what to leave out.
  if (!(await writePackedRefs(place.gitDirectory, refs))) await transfer(git, place, how);
}

/** Whether the remote no longer has what it showed a moment ago. */
function hasMoved(error: unknown): boolean {
  const failure = error instanceof FactoryError ? error.cause : error;
  return failure instanceof GitFailure && /not our ref|unadvertised object/.test(failure.words);
}

/** Gets all branches and tags. Removes nothing: a local tag that the remote lacks may be a worker's work. */
export async function transfer(git: GitRunner, place: GitPlace, how: Transfer): Promise<void> {
  await fetch(git, place, [], how);
}

async function fetch(
  git: GitRunner,
  place: GitPlace,
  options: readonly string[],
  how: Transfer & { readonly input?: string },
): Promise<void> {
  const { onProgress: tell, timeoutMs = transferTimeoutMs, ...rest } = how;
  const onProgress = createProgress(tell);
  await git({
    arguments: [
      "fetch",
      "--progress",
      "--no-write-fetch-head",
      "--no-prune",
      // As git clone takes a remote that is itself a shallow clone; without it such refs are left out.
      "--update-shallow",
      ...options,
      "origin",
    ],
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
  const count = (mine: ReadonlyMap<string, string>, theirs: ReadonlyMap<string, string>) =>
    [...theirs].filter(([name, id]) => mine.get(name) !== id).length;
  const fetch = count(here.remote, there.branches) + count(here.tags, there.tags);
  const moved = there.defaultBranch !== null && there.defaultBranch !== here.remoteHead;
  return { gone, fetch, any: gone.length > 0 || fetch > 0 || moved };
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
