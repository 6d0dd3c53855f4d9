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
  /** The clone: a bare repository that the server alone writes. */
  readonly repository: string;
  /** The folder of the worktrees' own repositories. */
  readonly ownRepositories: string;
  /** The folder of the server's ways into those; see control.ts. */
  readonly controls: string;
  readonly credentials: string;
  /** The folder of its worktrees, each in a folder named as its branch. */
  readonly worktrees: string;
  /** Where worktrees are made before they move to their place. */
  readonly making: string;
  /** What is on its way out. */
  readonly trash: string;
  worktree(branch: string): string;
  /** The worktree's own repository: HEAD, index, refs, configuration. Its worker writes there. */
  ownRepository(branch: string): string;
  control(branch: string): string;
  /** For what calls of git on that worktree write for themselves; cleared at each start. */
  scratch(branch: string): string;
}

export function layOut(home: string, { host, owner, name }: RepositoryName): Layout {
  const ownRepositories = join(home, "repositories", host, owner, `${name}.worktrees`);
  const controls = join(home, "control", host, owner, name);
  const worktrees = join(home, "worktrees", owner, name);
  const making = join(home, "making");
  return {
    repository: join(home, "repositories", host, owner, `${name}.git`),
    ownRepositories,
    controls,
    credentials: join(home, "credentials", host, owner, `${name}.json`),
    worktrees,
    making,
    trash: join(home, "trash"),
    worktree: (branch) => join(worktrees, ...branch.split("/")),
    ownRepository: (branch) => join(ownRepositories, `${worktreeId(branch)}.git`),
    control: (branch) => join(controls, worktreeId(branch)),
    scratch: (branch) => join(making, host, owner, name, worktreeId(branch)),
  };
}

/**
 * How the repository of this branch's worktree is called. A function of the branch alone, so that nothing that a
 * worker can write says which is which; readable, and unique by its digest.
 */
export function worktreeId(branch: string): string {
  const readable = branch.replace(/[^\w-]+/g, "-").slice(0, 40);
  const digest = createHash("sha256").update(branch).digest("hex").slice(0, 12);
  return `${readable}-${digest}`;
}

/** The id of the tree without entries, which git knows without having it stored. */
export const emptyTree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
