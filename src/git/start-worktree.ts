// At a session's start its worktree stands on its branch, as an ordinary repository does.
import { mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { counted } from "../counted.ts";
import { FactoryError } from "../errors.ts";
import { composeConfiguration } from "./control.ts";
import { GitFailure, quoteFailure } from "./failure.ts";
import {
  listIfThere,
  moveToTrash,
  readIfSound,
  readIfThere,
  removeTrash,
  replaceFile,
} from "./files.ts";
import { readBranchTip, readCloneTip } from "./inspect-worktree.ts";
import { findUnfinished } from "./unfinished.ts";
import {
  assertWorktree,
  findForeign,
  openClone,
  openWorktree,
  readCheckedOut,
  type GitSource,
  type WorktreeContext,
  type WorktreeGit,
} from "./worktree-git.ts";

const checkoutTimeoutMs = 15 * 60_000;

/**
 * Puts right what an earlier worker left, as far as nothing is lost by it. Resolves with where the branch stands;
 * null: it has no commit yet.
 * @throws FactoryError WORKTREE_NOT_FOUND, WORKTREE_IN_USE; WORKTREE_DIRTY, which names what can't be put right
 */
export async function startWorktree(
  context: WorktreeContext,
  branch: string,
  signal: AbortSignal | undefined,
): Promise<string | null> {
  await assertWorktree(context, branch);
  const foreign = await findForeign(context, branch);
  if (foreign !== undefined) throw new FactoryError("WORKTREE_IN_USE", foreign);
  const git = await openWorktree(context, branch);
  await resetConfiguration(context, git);
  await bringRemoteRefs(context, git, signal);
  await standOnBranch(context, git, branch, signal);
  return readBranchTip(git, branch, signal);
}

async function resetConfiguration(
  context: WorktreeContext,
  { gitDirectory, workTree }: WorktreeGit,
): Promise<void> {
  const { layout } = context;
  const config = join(gitDirectory, "config");
  const wanted = await composeConfiguration(layout, workTree, await context.identity());
  if ((await readIfSound(config)) !== wanted) await replaceFile(config, wanted);
  for (const name of ["config.worktree", "commondir", "info/attributes", "info/grafts"]) {
    await removeTrash(await moveToTrash(join(gitDirectory, name), layout.trash));
  }
  const hooks = join(gitDirectory, "hooks");
  const written = await listIfThere(hooks);
  if (written === undefined || written.length === 0) return;
  // They are kept where no git runs them.
  const kept = join(gitDirectory, "hooks.before");
  await removeTrash(await moveToTrash(kept, layout.trash));
  await rename(hooks, kept);
  await mkdir(hooks);
}

/** As the clone has them by now. Tags that are there stay as they are. */
async function bringRemoteRefs(
  { layout, git: runner, place }: WorktreeContext,
  git: WorktreeGit,
  signal: AbortSignal | undefined,
): Promise<void> {
  const [here, there] = await Promise.all([
    readRemoteRefs(git, signal),
    readRemoteRefs(openClone({ git: runner, place }), signal),
  ]);
  const isBranch = (ref: string) => ref.startsWith("refs/remotes/");
  const gone = [...here.keys()].filter((ref) => isBranch(ref) && !there.has(ref));
  const changed = [...there].filter(([ref, id]) =>
    isBranch(ref) ? here.get(ref) !== id : !here.has(ref),
  );
  // First, as git can't hold feat/x beside feat.
  await updateRefs(
    git,
    gone.map((ref) => `delete ${ref}`),
    signal,
  );
  await updateRefs(
    git,
    changed.map(([ref, id]) => `update ${ref} ${id}`),
    signal,
  );
  const name = "refs/remotes/origin/HEAD";
  const head = await readIfThere(join(layout.repository, name));
  if (head === undefined || (await readIfSound(join(git.gitDirectory, name))) === head) return;
  await replaceFile(join(git.gitDirectory, name), head);
}

async function readRemoteRefs(
  git: GitSource,
  signal: AbortSignal | undefined,
): Promise<Map<string, string>> {
  const output = await git.run({
    arguments: [
      "for-each-ref",
      "--format=%(refname) %(objectname) %(symref)",
      "refs/remotes/origin/",
      "refs/tags/",
    ],
    signal,
  });
  const refs = new Map<string, string>();
  for (const line of output.split("\n")) {
    const [ref = "", id = "", symbolic = ""] = line.split(" ");
    // U+FFFD stands for bytes that are no UTF-8: such a name can't be said to git.
    if (ref !== "" && symbolic === "" && !ref.includes("\uFFFD")) refs.set(ref, id);
  }
  return refs;
}

async function updateRefs(
  git: GitSource,
  lines: readonly string[],
  signal: AbortSignal | undefined,
): Promise<void> {
  if (lines.length === 0) return;
  const input = lines.map((line) => `${line}\n`).join("");
  const command = ["update-ref", "--stdin", "--no-deref"];
  await git.run({ arguments: command, input, waitsForLocks: true, signal });
}

async function standOnBranch(
  context: WorktreeContext,
  git: WorktreeGit,
  branch: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const head = (await readCheckedOut(git)) ?? "";
  if (head === branch) return;
  const refuse = (what: string, cause?: GitFailure) => {
    const remedy = `the worktree of ${branch} can't be put on its branch: ${what}; put it right in ${git.workTree}, or delete the worktree with force`;
    return cause === undefined
      ? new FactoryError("WORKTREE_DIRTY", remedy)
      : quoteFailure(cause, "WORKTREE_DIRTY", remedy);
  };
  // In its midst git takes the branch for checked out, too: whoever comes next goes on with it, or gives it up.
  if (await isBeingRebased(git, branch)) return;
  const unfinished = await findUnfinished(git.gitDirectory);
  if (unfinished !== undefined) throw refuse(`it is in the middle of ${unfinished}`);
  if (head === "") {
    const range = ["HEAD", "--not", "--branches", "--tags", "--remotes", "--"];
    const count = await git.run({ arguments: ["rev-list", "--count", ...range], signal });
    const commits = counted(Number(count), "commit of it is", "commits of it are");
    if (Number(count) > 0) throw refuse(`${commits} on no branch`);
  }
  if ((await readBranchTip(git, branch, signal)) === null) {
    const tip = await readCloneTip(context, branch, signal);
    if (tip === null) throw refuse("there is no such branch any more");
    await updateRefs(git, [`create refs/heads/${branch} ${tip}`], signal);
  }
  try {
    await git.runInFiles({
      arguments: ["switch", "--quiet", "--no-guess", "--no-recurse-submodules", branch],
      timeoutMs: checkoutTimeoutMs,
      waitsForLocks: true,
      signal,
    });
  } catch (error) {
    if (!(error instanceof GitFailure)) throw error;
    throw refuse(`it stands on ${head === "" ? "no branch" : head}`, error);
  }
}

async function isBeingRebased({ gitDirectory }: WorktreeGit, branch: string): Promise<boolean> {
  const names = ["rebase-merge/head-name", "rebase-apply/head-name"];
  const heads = await Promise.all(names.map((name) => readIfSound(join(gitDirectory, name))));
  return heads.some((head) => head?.trim() === `refs/heads/${branch}`);
}
