// A worker can write its worktree's own repository: its configuration, hooks and info/attributes, each of which can
// name commands that git runs. So the server's git never reads those. It has a control folder for each worktree, with
// the clone's configuration, that leads to that repository's objects and refs by symbolic links; git reads `config`,
// `info/` and `hooks/` in $GIT_COMMON_DIR alone (gitrepository-layout(5)). What the links lead to is data.
import { mkdir, rename, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { randomUUID } from "node:crypto";
import { isThere, readIfThere, readText, removeFolder } from "./files.ts";
import type { Identity } from "./identity.ts";
import type { Layout } from "./layout.ts";

const linked = ["objects", "refs", "logs", "packed-refs", "shallow"];

/** In the clone: the configuration of its worktrees' repositories, but for what is each one's own. */
const worktreeConfiguration = "worktree-config";

export interface Remote {
  /** Without credentials. */
  readonly url: string;
}

/** `initial`: what `git init` found out of the file system. */
export async function writeConfiguration(
  repository: string,
  initial: string,
  remote: Remote,
): Promise<void> {
  await writeFile(join(repository, "config"), pristineConfiguration(initial, remote));
  await writeFile(
    join(repository, worktreeConfiguration),
    ordinaryConfiguration(initial.replace(/\bbare = true\b/, "bare = false"), remote),
  );
}

/** Of the repository of the worktree in that folder. */
export async function composeConfiguration(
  { repository }: Layout,
  folder: string,
  { name, email }: Identity,
): Promise<string> {
  const common = await readText(join(repository, worktreeConfiguration));
  return `${common}[core]
	worktree = ${quoteValue(folder)}
[user]
	name = ${quoteValue(name)}
	email = ${quoteValue(email)}
`;
}

/** What an ordinary clone has, and no more: workers' own git reads this. */
function ordinaryConfiguration(initial: string, { url }: Remote): string {
  return `${initial}[core]
	logAllRefUpdates = true
[remote "origin"]
	url = ${quoteValue(url)}
	fetch = +refs/heads/*:refs/remotes/origin/*
[gc]
	auto = 0
`;
}

/** All that our own git reads. */
function pristineConfiguration(initial: string, { url }: Remote): string {
  return `${initial}[core]
	logAllRefUpdates = false
	hooksPath = /dev/null
	attributesFile = /dev/null
	excludesFile = /dev/null
	fsmonitor = false
	untrackedCache = false
	; git itself waits so long, in milliseconds, for a lock that another process holds.
	packedRefsTimeout = 5000
	filesRefLockTimeout = 5000
	; Larger files aren't read into memory, and count as binary.
	bigFileThreshold = 32m
[remote "origin"]
	url = ${quoteValue(url)}
	fetch = +refs/heads/*:refs/remotes/origin/*
	fetch = +refs/tags/*:refs/tags/*
	; A branch of that name would be written through refs/remotes/origin/HEAD, which is symbolic.
	fetch = ^refs/heads/HEAD
	tagOpt = --no-tags
[credential ${quoteValue(originOf(url))}]
	; The secrets come by the environment of the one call that needs them, and only for this host.
	helper = "!f() { test \\"$1\\" = get && test -n \\"$FACTORY_GIT_USERNAME$FACTORY_GIT_PASSWORD\\" && printf 'username=%s\\\\npassword=%s\\\\n' \\"$FACTORY_GIT_USERNAME\\" \\"$FACTORY_GIT_PASSWORD\\"; }; f"
[checkout]
	; As many as there are cores.
	workers = 0
[fetch]
	recurseSubmodules = false
	writeCommitGraph = false
[fetch "fsck"]
	; Old commits of honest repositories have these, and every host takes them.
	badTimezone = ignore
	missingNameBeforeEmail = ignore
	missingEmail = ignore
	missingSpaceBeforeDate = ignore
	missingSpaceBeforeEmail = ignore
	zeroPaddedDate = ignore
	zeroPaddedFilemode = ignore
[submodule]
	recurse = false
[diff]
	ignoreSubmodules = dirty
[protocol "ext"]
	allow = never
[http]
	; A transfer that stands still for a minute has failed: bytes a second, seconds.
	lowSpeedLimit = 1
	lowSpeedTime = 60
[gc]
	auto = 0
[maintenance]
	auto = false
[advice]
	detachedHead = false
[log]
	showSignature = false
`;
}

/** Where it is missing; it is there whole or not at all. */
export async function ensureControl(layout: Layout, branch: string): Promise<void> {
  const control = layout.control(branch);
  if (await isThere(join(control, "config"))) return;
  await createControl({
    control,
    making: layout.making,
    configuration: await readText(join(layout.repository, "config")),
    gitDirectory: layout.ownRepository(branch),
    head: `ref: refs/heads/${branch}\n`,
  });
}

export interface ControlInput {
  readonly control: string;
  /** Where it is made before it moves to its place. */
  readonly making: string;
  readonly configuration: string;
  /** Which it leads to. */
  readonly gitDirectory: string;
  /** For a git that takes the control folder for the whole repository. */
  readonly head: string;
}

export async function createControl(input: ControlInput): Promise<void> {
  const { control, configuration, gitDirectory, head } = input;
  const making = join(input.making, randomUUID());
  await mkdir(making, { recursive: true, mode: 0o700 });
  try {
    await Promise.all([
      mkdir(join(making, "info")),
      writeFile(join(making, "HEAD"), head),
      writeFile(join(making, "config"), configuration),
      // Relative, so that FACTORY_HOME can move.
      ...linked.map((name) =>
        symlink(relative(control, join(gitDirectory, name)), join(making, name)),
      ),
    ]);
    await mkdir(dirname(control), { recursive: true, mode: 0o700 });
    await removeFolder(control);
    await rename(making, control);
  } catch (error) {
    await removeFolder(making);
    // Somebody else was faster: theirs leads to the same.
    if (await isThere(join(control, "config"))) return;
    throw error;
  }
}

/** The branch that it was made for; git writes nothing there. */
export async function readControlBranch(control: string): Promise<string | undefined> {
  const head = await readIfThere(join(control, "HEAD"));
  return /^ref: refs\/heads\/(.+)\n$/.exec(head ?? "")?.[1];
}

/** A value between quotes, as git-config(1) reads it. */
export function quoteValue(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&").replaceAll("\n", "\\n")}"`;
}

/** What git matches `credential.<url>` with. For ssh and files there is nothing to give. */
function originOf(url: string): string {
  return /^https?:\/\/[^/]+/.exec(url)?.[0] ?? "https://credentials.invalid";
}
