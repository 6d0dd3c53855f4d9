// Workers can write the repository that their worktrees share: its configuration, hooks and info/attributes,
// each of which can name commands that git runs. So the server never uses that folder as its git directory.
// It has one of its own, with a configuration of its own, that leads to the same objects, refs and worktrees
// by symbolic links; git reads `config`, `info/` and `hooks/` in $GIT_COMMON_DIR alone
// (gitrepository-layout(5)). What the links lead to is data.
import { mkdir, rename, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { randomUUID } from "node:crypto";
import { removeFolder } from "./files.ts";

/** Folders that must be there, since a link that leads nowhere can't be made a folder by git. */
const linkedFolders = ["objects", "refs", "worktrees", "logs"];
/** git follows these links when it writes (files that don't exist yet included). */
const linkedFiles = ["packed-refs", "shallow"];

export interface Remote {
  /** Without credentials. */
  readonly url: string;
}

/** What an ordinary bare clone has, and no more: workers' own git reads this. */
export function ordinaryConfiguration(initial: string, { url }: Remote): string {
  return `${initial}[remote "origin"]
	url = ${quote(url)}
	fetch = +refs/heads/*:refs/remotes/origin/*
[gc]
	auto = 0
`;
}

/** All that our own git reads. `initial`: what `git init` found out of the file system. */
export function pristineConfiguration(initial: string, { url }: Remote): string {
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
	url = ${quote(url)}
	fetch = +refs/heads/*:refs/remotes/origin/*
	fetch = +refs/tags/*:refs/tags/*
	; A branch of that name would be written through refs/remotes/origin/HEAD, which is symbolic.
	fetch = ^refs/heads/HEAD
	tagOpt = --no-tags
[credential ${quote(originOf(url))}]
	; The secrets come by the environment of the one call that needs them, and only for this host.
	helper = "!f() { test \\"$1\\" = get && test -n \\"$FACTORY_GIT_USERNAME$FACTORY_GIT_PASSWORD\\" && printf 'username=%s\\\\npassword=%s\\\\n' \\"$FACTORY_GIT_USERNAME\\" \\"$FACTORY_GIT_PASSWORD\\"; }; f"
[checkout]
	; As many as there are cores.
	workers = 0
[fetch]
	recurseSubmodules = false
	writeCommitGraph = false
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

/** Makes the control folder, or makes it anew; it is there whole or not at all. */
export async function createControl(
  control: string,
  repository: string,
  configuration: string,
): Promise<void> {
  await Promise.all(
    linkedFolders.map((name) => mkdir(join(repository, name), { recursive: true })),
  );
  const making = `${control}.making-${randomUUID()}`;
  await mkdir(making, { recursive: true, mode: 0o700 });
  try {
    await Promise.all([
      mkdir(join(making, "info")),
      mkdir(join(making, "adding")),
      mkdir(join(making, "journal")),
      mkdir(join(making, "temporary")),
      writeFile(join(making, "HEAD"), "ref: refs/heads/main\n"),
      writeFile(join(making, "config"), configuration),
      // Relative, so that FACTORY_HOME can move. Both are equally deep.
      ...[...linkedFolders, ...linkedFiles].map((name) =>
        symlink(relative(control, join(repository, name)), join(making, name)),
      ),
    ]);
    await mkdir(dirname(control), { recursive: true });
    await removeFolder(control);
    await rename(making, control);
  } catch (error) {
    await removeFolder(making);
    throw error;
  }
}

/** A value between quotes, as git-config(1) reads it. */
function quote(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}

/** What git matches `credential.<url>` with. For ssh and files there is nothing to give. */
function originOf(url: string): string {
  return /^https?:\/\/[^/]+/.exec(url)?.[0] ?? "https://credentials.invalid";
}
