import { randomUUID } from "node:crypto";
import { mkdir, readdir, rename } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { writeConfiguration } from "./control.ts";
import { readCredentialVariables } from "./credentials.ts";
import {
  assertBrought,
  lookTimeoutMs,
  setDefaultBranch,
  tipsOf,
  transferFirst,
  type RemoteTips,
} from "./fetch.ts";
import { isThere, readIfThere, removeFolder } from "./files.ts";
import type { Layout } from "./layout.ts";
import type { TellProgress } from "./progress.ts";
import { readRefs, readRemoteRefs } from "./refs.ts";
import type { GitRunner } from "./run.ts";

export interface CloneOptions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds for the whole transfer. Default: two hours. */
  readonly timeoutMs?: number | undefined;
  readonly onProgress?: TellProgress | undefined;
}

const cloneTimeoutMs = 2 * 60 * 60_000;

/**
 * Made beside its place and moved there when it is whole. `url` is without credentials.
 * One at a time for one repository: what lies there of an earlier one belongs to a process that is dead.
 */
export async function cloneRepository(
  git: GitRunner,
  layout: Layout,
  url: string,
  options: CloneOptions,
): Promise<RemoteTips> {
  const { repository } = layout;
  await mkdir(dirname(repository), { recursive: true });
  await removeLeftovers(repository);
  const making = `${repository}.cloning-${randomUUID()}`;
  try {
    await initialize(git, making, url, options.signal);
    const tips = await fill(git, { ...layout, repository: making }, options);
    await rename(making, repository);
    return tips;
  } catch (error) {
    await removeFolder(making);
    throw error;
  }
}

/** It moves to its place when it is whole. */
export async function isCloned(layout: Layout): Promise<boolean> {
  return isThere(join(layout.repository, "HEAD"));
}

/** Also a repository that is there, whose configuration is then that of a new one. */
export async function initialize(
  git: GitRunner,
  folder: string,
  url: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  await git({
    arguments: ["init", "--bare", "--initial-branch=main"],
    place: { gitDirectory: folder },
    signal,
  });
  const initial = (await readIfThere(join(folder, "config"))) ?? "";
  await writeConfiguration(folder, initial, { url });
}

async function fill(git: GitRunner, layout: Layout, options: CloneOptions): Promise<RemoteTips> {
  const { signal, onProgress, timeoutMs = cloneTimeoutMs } = options;
  const place = { gitDirectory: layout.repository };
  const environment = await readCredentialVariables(layout.credentials);
  const look = { signal, environment, timeoutMs: lookTimeoutMs };
  const there = await readRemoteRefs(git, place, look);
  if (there.branches.size + there.tags.size > 0) {
    await transferFirst(git, place, there, { environment, signal, timeoutMs, onProgress });
  }
  const refs = await readRefs(git, place, signal);
  assertBrought(there, refs);
  const tips = tipsOf(there.defaultBranch, refs);
  if (tips.defaultBranch !== null) await setDefaultBranch(git, layout, place, tips.defaultBranch);
  return tips;
}

/** The names of other repositories end in .git, so that none of them is taken for a leftover. */
async function removeLeftovers(repository: string): Promise<void> {
  const folder = dirname(repository);
  const prefix = `${basename(repository)}.cloning-`;
  const names = await readdir(folder);
  const leftovers = names.filter((name) => name.startsWith(prefix) && !name.endsWith(".git"));
  for (const name of leftovers) await removeFolder(join(folder, name));
}
