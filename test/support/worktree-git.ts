// git as a worker runs it by hand in its worktree.
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const execute = promisify(execFile);

/** Its output, trimmed; rejects with what git said. */
export async function runGit(folder: string, ...commandLine: string[]): Promise<string> {
  const { stdout } = await execute("git", commandLine, {
    cwd: folder,
    env: {
      PATH: process.env["PATH"] ?? "",
      HOME: folder,
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_CONFIG_GLOBAL: "/dev/null",
      GIT_AUTHOR_NAME: "Ada",
      GIT_AUTHOR_EMAIL: "ada@example.org",
      GIT_COMMITTER_NAME: "Ada",
      GIT_COMMITTER_EMAIL: "ada@example.org",
    },
  });
  return stdout.trim();
}

/** Commits all that is there, and returns the commit's id. */
export async function commitAll(folder: string, message: string): Promise<string> {
  await runGit(folder, "add", "--all");
  await runGit(folder, "commit", "--quiet", "--allow-empty", "-m", message);
  return runGit(folder, "rev-parse", "HEAD");
}
