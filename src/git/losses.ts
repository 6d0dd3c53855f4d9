// What would be lost with a worktree, and that nothing of it is lost unless by force.
import { dirname, join } from "node:path";
import { counted, named } from "../counted.ts";
import { FactoryError } from "../errors.ts";
import { explainRead } from "./failure.ts";
import { isThere, listIfThere, readIfSound } from "./files.ts";
import {
  inspectWorktree,
  mostNamed,
  readBranchTip,
  readHead,
  type WorktreeState,
} from "./inspect-worktree.ts";
import { emptyTree } from "./layout.ts";
import { assertReal } from "./open-place.ts";
import { shown } from "./shown.ts";
import { findUnfinished } from "./unfinished.ts";
import {
  findForeign,
  isWhole,
  openClone,
  openWorktree,
  type GitSource,
  type WorktreeContext,
  type WorktreeGit,
} from "./worktree-git.ts";

export interface LossInput {
  readonly branch: string;
  /** Whether the local branch goes, too. */
  readonly deleteBranch: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** @throws FactoryError WORKTREE_DIRTY, which names what would be lost */
export async function assertNothingLost(
  context: WorktreeContext,
  { branch, deleteBranch, signal }: LossInput,
): Promise<void> {
  const { layout } = context;
  const files = await listIfThere(layout.worktree(branch));
  const hasFolder = files !== undefined && files.length > 0;
  if (hasFolder && !(await isWhole(context, branch))) {
    await assertReal(layout.worktree(branch), dirname(layout.trash));
    const foreign = await findForeign(context, branch);
    throw new FactoryError(
      "WORKTREE_DIRTY",
      foreign ??
        `the worktree of ${branch} holds files, but isn't a worktree any more: move them away, or delete it with force: true, which loses them`,
    );
  }
  await explainRead(branch, async () => {
    const losses = (await isThere(layout.ownRepository(branch)))
      ? await findLosses(context, { branch, hasFolder, keepsBranch: !deleteBranch, signal })
      : await findLossesOfBranch(context, branch, deleteBranch, signal);
    if (losses !== undefined) throw refusal(branch, losses);
  });
}

/**
 * What a worktree whose folder is gone has beside its branch, fit to show to a person; undefined: nothing.
 * @throws FactoryError HOST_FAILURE
 */
export function describeLeftover(
  context: WorktreeContext,
  branch: string,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  return explainRead(branch, async () => {
    const how = { branch, hasFolder: false, keepsBranch: true, signal };
    const losses = await findLosses(context, how);
    return losses === undefined ? undefined : describe(losses).join(" and ");
  });
}

/** The clone's branches with commits that are on none of the remote, at most 20; a stash of an earlier version, too. */
export async function findUnpushedBranches(
  context: WorktreeContext,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const clone = openClone(context);
  const found: string[] = [];
  const output = await clone.run({
    arguments: ["for-each-ref", "--format=%(objectname) %(refname)", "refs/heads/", "refs/stash"],
    signal,
  });
  for (const line of output.split("\n")) {
    const [id = "", ref = ""] = line.split(" ");
    if (id === "" || found.length === mostBranches) continue;
    const { unpushedCommits } = await findUnpushed(context, clone, [id], undefined, signal);
    if (unpushedCommits > 0) found.push(ref.replace(/^refs\/(?:heads\/)?/, ""));
  }
  return found;
}

const mostBranches = 20;

interface Losses extends Pick<
  WorktreeState,
  "changedFiles" | "changedPaths" | "stashes" | "unfinished"
> {
  readonly isStaged: boolean;
  /** Folders of worktrees that its worker has made of its repository. */
  readonly worktrees: readonly string[];
  readonly unpushedCommits: number;
  /** The latest few, newest first: abbreviated id and subject. */
  readonly commits: readonly string[];
}

async function findLosses(
  context: WorktreeContext,
  {
    branch,
    hasFolder,
    keepsBranch,
    signal,
  }: {
    branch: string;
    hasFolder: boolean;
    /** Where the folder is gone, and the branch stays in the clone. */
    keepsBranch: boolean;
    signal: AbortSignal | undefined;
  },
): Promise<Losses | undefined> {
  const git = await openWorktree(context, branch);
  const inspecting = hasFolder
    ? inspectWorktree(context, branch, signal, { looksForSubmodules: true })
    : inspectRepository(git, signal);
  const [files, refs, linked] = await Promise.all([
    inspecting,
    readTips(git, signal),
    findLinkedWorktrees(git.gitDirectory),
  ]);
  const spared = keepsBranch && !hasFolder ? refs.get(`refs/heads/${branch}`) : undefined;
  const tips = [...refs]
    .filter(([ref]) => !ref.startsWith("refs/remotes/") && ref !== "refs/stash")
    .map(([, id]) => id)
    .concat(linked.heads)
    .filter((id) => id !== spared);
  const commits = await findUnpushed(context, git, tips, spared, signal);
  const losses = { ...files, ...commits, worktrees: linked.folders, isStaged: !hasFolder };
  const isNone =
    losses.changedFiles === 0 &&
    losses.stashes === 0 &&
    losses.unfinished === null &&
    losses.worktrees.length === 0 &&
    losses.unpushedCommits === 0;
  return isNone ? undefined : losses;
}

/** Of a worktree of which nothing but the clone's branch is left. */
async function findLossesOfBranch(
  context: WorktreeContext,
  branch: string,
  deleteBranch: boolean,
  signal: AbortSignal | undefined,
): Promise<Losses | undefined> {
  const clone = openClone(context);
  const tip = deleteBranch ? await readBranchTip(clone, branch, signal) : null;
  if (tip === null) return undefined;
  const unpushed = await findUnpushed(context, clone, [tip], undefined, signal);
  if (unpushed.unpushedCommits === 0) return undefined;
  const none = { changedFiles: 0, changedPaths: [], stashes: 0, unfinished: null, worktrees: [] };
  return { ...none, ...unpushed, isStaged: false };
}

/** All refs with the objects that they name, and HEAD. */
async function readTips(
  git: GitSource,
  signal: AbortSignal | undefined,
): Promise<Map<string, string>> {
  const [refs, head] = await Promise.all([
    git.run({ arguments: ["for-each-ref", "--format=%(refname) %(objectname)"], signal }),
    readHead(git, signal),
  ]);
  const tips = new Map<string, string>();
  for (const line of refs.split("\n")) {
    const [ref, id] = line.split(" ");
    if (ref !== undefined && id !== undefined) tips.set(ref, id);
  }
  if (head !== null) tips.set("HEAD", head);
  return tips;
}

/** Worktrees that the worker has made of its repository (gitrepository-layout(5), worktrees/). */
async function findLinkedWorktrees(
  gitDirectory: string,
): Promise<{ folders: string[]; heads: string[] }> {
  const entries = join(gitDirectory, "worktrees");
  const folders: string[] = [];
  const heads: string[] = [];
  for (const id of (await listIfThere(entries)) ?? []) {
    const [gitFile, head] = await Promise.all(
      ["gitdir", "HEAD"].map((name) => readIfSound(join(entries, id, name))),
    );
    const place = gitFile?.trim() ?? "";
    // A worker can write there what no path holds.
    if (place !== "" && !place.includes("\0") && (await isThere(place)))
      folders.push(dirname(place));
    if (/^[0-9a-f]{40}\n$/.test(head ?? "")) heads.push((head ?? "").trim());
  }
  return { folders: folders.map(shown), heads };
}

/** What is staged, in the stash or unfinished where there are no files. */
async function inspectRepository(
  git: WorktreeGit,
  signal: AbortSignal | undefined,
): Promise<Pick<WorktreeState, "changedFiles" | "changedPaths" | "stashes" | "unfinished">> {
  const hasIndex = (await listIfThere(git.gitDirectory))?.includes("index") === true;
  const head = await readHead(git, signal);
  const [staged, stash, unfinished] = await Promise.all([
    !hasIndex
      ? ""
      : git.run({
          arguments: ["diff-index", "--cached", "--name-only", "-z", head ?? emptyTree, "--"],
          signal,
        }),
    git.run({
      arguments: ["for-each-ref", "--format=%(objectname)", "refs/stash"],
      signal,
    }),
    findUnfinished(git.gitDirectory),
  ]);
  const paths = staged.split("\0").filter((path) => path !== "");
  const stashes =
    stash.trim() === ""
      ? 0
      : Number(
          await git.run({
            arguments: ["rev-list", "--walk-reflogs", "--count", "refs/stash", "--"],
            signal,
          }),
        );
  return {
    changedFiles: paths.length,
    changedPaths: paths.slice(0, mostNamed).map(shown),
    stashes,
    unfinished: unfinished ?? null,
  };
}

/** Commits that lead to none of the remote's branches and tags, as the clone has them. */
async function findUnpushed(
  context: WorktreeContext,
  git: GitSource,
  tips: readonly string[],
  spared: string | undefined,
  signal: AbortSignal | undefined,
): Promise<Pick<Losses, "unpushedCommits" | "commits">> {
  if (tips.length === 0) return { unpushedCommits: 0, commits: [] };
  let known = await readKnown(context, signal);
  const ask = (command: readonly string[], more: readonly string[] = []) => {
    const own = [...tips, ...(spared === undefined ? [] : [`^${spared}`]), ...more];
    return git.run({
      arguments: [...command, "--stdin"],
      input: `${[...new Set([...known, ...own])].filter((line) => line !== "").join("\n")}\n`,
      signal,
    });
  };
  const count = async (more?: readonly string[]) =>
    Number(await ask(["rev-list", "--count"], more));
  let unpushedCommits = await count();
  if (unpushedCommits > 0) {
    // The worker may have pushed them by itself, and its repository know of it before the clone does.
    const claimed = await git.run({
      arguments: ["for-each-ref", "--format=^%(objectname)", "refs/remotes/origin/"],
      signal,
    });
    const isClaimed = (await count(claimed.split("\n"))) < unpushedCommits;
    if (isClaimed && (await tryFetch(context, signal))) {
      known = await readKnown(context, signal);
      unpushedCommits = await count();
    }
  }
  if (unpushedCommits === 0) return { unpushedCommits, commits: [] };
  const lines = await ask([
    "log",
    `--max-count=${String(mostNamed)}`,
    "--no-show-signature",
    "--format=%h %s",
  ]);
  const commits = lines.split("\n").filter((line) => line !== "");
  return { unpushedCommits, commits: commits.map(shown) };
}

/** What is on the remote, as the clone has it: for rev-list, to leave that out. */
async function readKnown(
  context: WorktreeContext,
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  const refs = await openClone(context).run({
    arguments: [
      "for-each-ref",
      "--format=^%(objectname)",
      "refs/remotes/origin/",
      // Those of the clone are all of the remote.
      "refs/tags/",
    ],
    signal,
  });
  return refs.split("\n");
}

/** A remote that is away is no reason to lose something, or to fail. */
async function tryFetch(
  context: WorktreeContext,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  try {
    await context.fetch(signal);
    return true;
  } catch (error) {
    if (error instanceof FactoryError) return false;
    throw error;
  }
}

function refusal(branch: string, losses: Losses): FactoryError {
  const { changedFiles, changedPaths: files, unpushedCommits, commits, stashes } = losses;
  return new FactoryError(
    "WORKTREE_DIRTY",
    `the worktree of ${branch} holds ${describe(losses).join(" and ")}: commit and push them, or delete with force: true, which loses them`,
    { facts: { changedFiles, files, unpushedCommits, commits, stashes } },
  );
}

function describe(losses: Losses): string[] {
  const { changedFiles, changedPaths, unpushedCommits, commits, stashes, unfinished } = losses;
  const found: string[] = [];
  if (changedFiles > 0) {
    const what = losses.isStaged ? "staged file" : "changed or untracked file";
    found.push(named(counted(changedFiles, what), changedPaths, changedFiles));
  }
  if (unpushedCommits > 0) {
    const what = `${counted(unpushedCommits, "commit that is", "commits that are")} on no branch of the remote`;
    found.push(named(what, commits, unpushedCommits));
  }
  if (stashes > 0) found.push(counted(stashes, "stash entry", "stash entries"));
  const { worktrees } = losses;
  if (worktrees.length > 0) {
    const what = counted(worktrees.length, "further worktree");
    found.push(named(what, worktrees.slice(0, mostNamed), worktrees.length));
  }
  if (unfinished !== null) found.push(`${unfinished} that isn't finished`);
  return found;
}
