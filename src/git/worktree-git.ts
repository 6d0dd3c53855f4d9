// The only way to a git that opens what a worker can write.
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { FactoryError } from "../errors.ts";
import { ensureControl } from "./control.ts";
import { isThere, readIfSound, replaceFile } from "./files.ts";
import type { Identity } from "./identity.ts";
import type { Layout } from "./layout.ts";
import { assertNoOddFile } from "./odd-file.ts";
import { assertReal } from "./open-place.ts";
import type { GitCall, GitPlace, GitRunner } from "./run.ts";
import { confinementVariable, limited } from "./spawn.ts";

/** Program and arguments to stand before git, so that it sees those folders and no others. */
export type Confine = (view: {
  /** Those that are missing are left out. */
  readonly readable: readonly string[];
  readonly writable: readonly string[];
}) => readonly string[];

/** What the steps on one repository's worktrees share. */
export interface WorktreeContext {
  readonly git: GitRunner;
  readonly layout: Layout;
  /** The clone. */
  readonly place: GitPlace;
  /** Whose commits workers make. */
  identity(): Promise<Identity>;
  /** What git is started by where a worker may be changing what it reads; see GitOptions. Default: nothing. */
  readonly confine?: Confine | undefined;
  /** Worktrees that were opened before, where nobody changes them meanwhile. Default: each is opened, and looked at, anew. */
  readonly opened?: Map<string, Promise<WorktreeGit>> | undefined;
  /** Alone among what makes and removes folders of this repository's worktrees. */
  exclusively<T>(action: () => Promise<T>): Promise<T>;
  /** Brings the clone up to date with its remote. */
  fetch(signal: AbortSignal | undefined): Promise<unknown>;
}

export type LocalCall = Omit<GitCall, "place">;

/** A repository that is asked: the clone, or a worktree's own. */
export interface GitSource {
  run(call: LocalCall): Promise<string>;
}

export interface WorktreeGit extends GitSource, Folders {
  /** In the worktree's folder. */
  runInFiles(call: LocalCall & { readonly indexFile?: string }): Promise<string>;
  /** Brings one of its refs into the clone, by a refspec, with checked objects. */
  fetchIntoClone(refspec: string, call: Omit<LocalCall, "arguments">): Promise<string>;
}

interface Folders {
  readonly gitDirectory: string;
  readonly workTree: string;
  /** All that its worker can write: those two, or what they are in. */
  readonly written: readonly string[];
  /** Of the server's own: there calls of git write what they need for themselves. It exists. */
  readonly scratch: string;
}

export interface UntrustedRepository extends Folders {
  /** Whose configuration git reads; see control.ts. */
  readonly control: string;
  /** The one folder of objects that it borrows from, absolute; undefined: none. */
  readonly borrowed: string | undefined;
}

/** The branch's worktree, whose folder may be gone. @throws FactoryError WORKTREE_NOT_FOUND, HOST_FAILURE */
export function openWorktree(context: WorktreeContext, branch: string): Promise<WorktreeGit> {
  const known = context.opened?.get(branch);
  if (known !== undefined) return known;
  const opening = openAnew(context, branch);
  context.opened?.set(branch, opening);
  return opening;
}

async function openAnew(context: WorktreeContext, branch: string): Promise<WorktreeGit> {
  const { layout } = context;
  const gitDirectory = layout.ownRepository(branch);
  if (!(await isThere(gitDirectory))) throw notThere(branch);
  await ensureControl(layout, branch);
  const scratch = layout.scratch(branch);
  await mkdir(scratch, { recursive: true, mode: 0o700 });
  const workTree = layout.worktree(branch);
  return openUntrusted(context, {
    gitDirectory,
    control: layout.control(branch),
    workTree,
    written: [gitDirectory, workTree],
    scratch,
    borrowed: join(layout.repository, "objects"),
  });
}

/**
 * Every git that opens a repository which a worker can write is started by what this returns. Here it is seen to that
 * such a git reads no objects but its own and the clone's. A worker that still runs may change what was looked at a
 * moment ago: `confine` keeps such a git from all else.
 * @throws FactoryError WORKTREE_NOT_FOUND, HOST_FAILURE
 */
export async function openUntrusted(
  { git, layout, place: clone, confine }: WorktreeContext,
  repository: UntrustedRepository,
): Promise<WorktreeGit> {
  const { gitDirectory, control, workTree, written, scratch, borrowed } = repository;
  await assertReal(gitDirectory, dirname(layout.trash));
  await assertNoOddFile(gitDirectory);
  await borrowOnlyFrom(gitDirectory, borrowed);
  const place = { gitDirectory, commonDirectory: control };
  const share = layout.repository;
  const readable = [control, ...written, ...(borrowed === undefined ? [] : [borrowed])];
  const confinement = confine?.({ readable, writable: [scratch] }) ?? [];
  return {
    gitDirectory,
    workTree,
    written,
    scratch,
    run: (call) => git({ ...call, place, share, confinement }),
    runInFiles: ({ indexFile, ...call }) => {
      const index = indexFile === undefined ? {} : { indexFile };
      return git({ ...call, place: { ...place, workTree, ...index }, share, confinement });
    },
    fetchIntoClone: (refspec, call) =>
      git({
        ...call,
        // By way of the control folder: the serving side, too, obeys no configuration of the worker's. It is what
        // opens the worker's repository.
        arguments: [
          ...["-c", "fetch.fsckObjects=true", ...fetchQuietly],
          ...[`--upload-pack=${uploadPack}`, control, refspec],
        ],
        place: clone,
        environment: { GIT_ALLOW_PROTOCOL: "file", ...confinementVariable(confinement) },
      }),
  };
}

const fetchQuietly = [
  ...["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-prune"],
  // As for the remote: it may be a shallow clone.
  "--update-shallow",
];

/** A shell reads it. Source: git-fetch(1), "--upload-pack". */
const uploadPack = `'${limited.replaceAll("'", "'\\''")}' git upload-pack`;

/** Another folder named there would be read by git, and taken into the clone with the branch. */
async function borrowOnlyFrom(gitDirectory: string, folder: string | undefined): Promise<void> {
  const file = join(gitDirectory, "objects/info/alternates");
  const wanted = folder === undefined ? undefined : `${folder}\n`;
  if (wanted === undefined) {
    if (!(await isThere(file))) return;
    throw new FactoryError("HOST_FAILURE", `${file} names objects of another repository`);
  }
  if ((await readIfSound(file)) === wanted) return;
  await mkdir(dirname(file), { recursive: true });
  await replaceFile(file, wanted);
}

/** Where a branch is looked up: its worktree's repository, else the clone. */
export async function openBranch(context: WorktreeContext, branch: string): Promise<GitSource> {
  const hasOwn = await isThere(context.layout.ownRepository(branch));
  return hasOwn ? openWorktree(context, branch) : openClone(context);
}

export function openClone({ git, place }: Pick<WorktreeContext, "git" | "place">): GitSource {
  return { run: (call) => git({ ...call, place }) };
}

/** How the folder of a worktree names its repository (gitrepository-layout(5), "gitfile"). */
export function gitFileOf(layout: Layout, branch: string): string {
  return `gitdir: ${layout.ownRepository(branch)}\n`;
}

/** Whether the folder and its repository are both in their place, and belong to each other. */
export async function isWhole({ layout }: WorktreeContext, branch: string): Promise<boolean> {
  const [gitFile, hasHead] = await Promise.all([
    readIfSound(join(layout.worktree(branch), ".git")),
    isThere(join(layout.ownRepository(branch), "HEAD")),
  ]);
  return hasHead && gitFile?.trim() === gitFileOf(layout, branch).trim();
}

/** The branch that HEAD names, which may have no commit yet; undefined: none. */
export async function readCheckedOut({
  gitDirectory,
}: Pick<WorktreeGit, "gitDirectory">): Promise<string | undefined> {
  const head = await readIfSound(join(gitDirectory, "HEAD"));
  return /^ref: *refs\/heads\/(.+?)\s*$/.exec(head ?? "")?.[1];
}

/** What is in the folder is told also where it doesn't name the repository any more. @throws FactoryError WORKTREE_NOT_FOUND */
export async function assertWorktree({ layout }: WorktreeContext, branch: string): Promise<void> {
  if (!(await isThere(layout.ownRepository(branch)))) throw notThere(branch);
  await assertReal(layout.worktree(branch), dirname(layout.trash));
}

/** What is in the place of the branch's worktree, where that is a repository of somebody's own. */
export async function findForeign(
  { layout }: WorktreeContext,
  branch: string,
): Promise<string | undefined> {
  const place = join(layout.worktree(branch), ".git");
  if (!(await isThere(place))) return undefined;
  if ((await readIfSound(place))?.trim() === gitFileOf(layout, branch).trim()) return undefined;
  return `another repository is in the place of ${branch}'s worktree, by ${place}: move it away, or delete the worktree with force`;
}

function notThere(branch: string): FactoryError {
  return new FactoryError(
    "WORKTREE_NOT_FOUND",
    `the worktree of ${branch} is not in its place: it was removed behind the server's back, or never made`,
  );
}
