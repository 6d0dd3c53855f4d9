// Work that an agent has committed beside its branch: agents like to make a branch of their own.
import { counted } from "../counted.ts";
import { askGit, type AskGitDependencies, type CommittingSession } from "./ask-git.ts";

/** What is where, for people; undefined: all that was committed is on the session's branch, as far as git can tell. */
export async function describeStray(
  deps: AskGitDependencies,
  session: CommittingSession,
): Promise<string | undefined> {
  const { branch } = session;
  const stray = await askGit(deps, session, (git) => git.findStray(branch));
  if (stray === undefined) return undefined;
  const commits = counted(stray.commits, "commit is", "commits are");
  return `${commits} on ${stray.branch ?? "no branch"} in its worktree, and not on its branch ${branch}`;
}
