// How much a session changed, read at its end.
import type { ChangeCounts } from "../git/git.ts";
import { askGit, type AskGitDependencies, type CommittingSession } from "./ask-git.ts";

/** Of its branch against where it started; null where that can't be told. */
export async function readStatistics(
  deps: AskGitDependencies,
  session: CommittingSession,
): Promise<ChangeCounts | null> {
  const { branch, startCommit: since } = session;
  const counts = await askGit(deps, session, (git) => git.countChanges({ branch, since }));
  return counts ?? null;
}
