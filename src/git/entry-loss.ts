import { join } from "node:path";
import { GitFailure } from "./failure.ts";
import { isThere, readIfSound } from "./files.ts";
import { emptyTree } from "./layout.ts";
import type { WorktreeContext } from "./worktree-context.ts";

/** What an operation in the middle leaves in the entry (gitrepository-layout(5), git-status(1)). */
const unfinished = [
  "rebase-merge",
  "rebase-apply",
  "MERGE_HEAD",
  "CHERRY_PICK_HEAD",
  "REVERT_HEAD",
];

/** Work that is in this entry of git's, whose folder is gone, and nowhere else; undefined: none. */
export async function findLoss(
  context: WorktreeContext,
  entry: string,
): Promise<string | undefined> {
  const { git, place } = context;
  for (const name of unfinished) {
    if (await isThere(join(entry, name))) return `it is in the middle of a ${name}`;
  }
  const head = (await readIfSound(join(entry, "HEAD")))?.trim() ?? "";
  if (!head.startsWith("ref: refs/heads/")) {
    if (!/^[0-9a-f]{40,64}$/.test(head)) return "its HEAD can't be read";
    const refs = ["--branches", "--tags", "--remotes"];
    const count = await git({
      arguments: ["rev-list", "--count", head, "--not", ...refs, "--"],
      place,
    });
    if (Number(count) > 0) return `its HEAD ${head.slice(0, 12)} has commits that are on no branch`;
  }
  if (!(await isThere(join(entry, "index")))) return undefined;
  // A branch without a commit is compared with nothing.
  for (const base of ["HEAD", emptyTree]) {
    const outcome = await compareIndex(context, entry, base);
    if (outcome !== "no such commit")
      return outcome === "same" ? undefined : "changes are staged in it";
  }
  return "its index can't be read";
}

async function compareIndex(
  { git, layout }: WorktreeContext,
  entry: string,
  base: string,
): Promise<"same" | "differs" | "no such commit"> {
  try {
    await git({
      arguments: ["diff-index", "--cached", "--quiet", base, "--"],
      place: { gitDirectory: entry, commonDirectory: layout.control },
    });
    return "same";
  } catch (error) {
    if (error instanceof GitFailure) return error.exitCode === 1 ? "differs" : "no such commit";
    throw error;
  }
}
