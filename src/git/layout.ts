// Where things are under FACTORY_HOME.
import { createHash } from "node:crypto";
import { join } from "node:path";

export interface RepositoryName {
  /** The remote's host, with its port where the url gives one. */
  readonly host: string;
  readonly owner: string;
  readonly name: string;
}

export interface Layout {
  /** The bare repository that all worktrees share, and which workers can write. */
  readonly repository: string;
  /** The server's own way into it; see control.ts. */
  readonly control: string;
  readonly credentials: string;
  /** The folder of its worktrees, each in a folder named as its branch. */
  readonly worktrees: string;
  /** Where worktrees are made before they move to their place. */
  readonly adding: string;
  /** What is on its way out. */
  readonly trash: string;
  worktree(branch: string): string;
  /** The folder that git keeps for this worktree: HEAD, index, reflog (gitrepository-layout(5)). */
  worktreeGitDirectory(branch: string): string;
  /** What is under way with this worktree; see journal.ts. */
  journal(branch: string): string;
}

export function layOut(home: string, { host, owner, name }: RepositoryName): Layout {
  const repository = join(home, "repositories", host, owner, `${name}.git`);
  const control = join(home, "control", host, owner, `${name}.git`);
  const worktrees = join(home, "worktrees", owner, name);
  return {
    repository,
    control,
    credentials: join(home, "credentials", host, owner, `${name}.json`),
    worktrees,
    adding: join(control, "adding"),
    trash: join(home, "trash"),
    worktree: (branch) => join(worktrees, ...branch.split("/")),
    worktreeGitDirectory: (branch) => join(repository, "worktrees", worktreeId(branch)),
    journal: (branch) => join(control, "journal", `${worktreeId(branch)}.json`),
  };
}

/**
 * What git calls the worktree of this branch. A function of the branch alone, so that nothing that a worker
 * can write says which is which; readable, and unique by its digest.
 */
export function worktreeId(branch: string): string {
  const readable = branch.replace(/[^\w-]+/g, "-").slice(0, 40);
  const digest = createHash("sha256").update(branch).digest("hex").slice(0, 12);
  return `${readable}-${digest}`;
}

/** The id of the tree without entries, which git knows without having it stored. */
export const emptyTree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
