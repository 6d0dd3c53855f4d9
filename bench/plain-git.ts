// The floor of a dispatch: what anybody would do by hand on an ordinary bare clone.
import { execFile } from "node:child_process";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const execute = promisify(execFile);

/** Tells its time in seconds, as an agent's first instruction; bash's own clock costs no process. */
export const firstInstruction = 'printf %s "$EPOCHREALTIME" >first-instruction';

/** Milliseconds since the epoch at which `firstInstruction` ran in the worktree. */
export async function readFirstInstruction(worktree: string): Promise<number> {
  return Number(await readFile(join(worktree, "first-instruction"), "utf8")) * 1000;
}

export interface PlainClone {
  /** Fetches, adds a worktree, starts bash in it: milliseconds until bash's first instruction. */
  dispatch(branch: string): Promise<number>;
}

/** In the folder, which is made. */
export async function makePlainClone(url: string, folder: string): Promise<PlainClone> {
  await mkdir(folder);
  const bare = join(folder, "clone.git");
  const env = {
    PATH: process.env["PATH"],
    HOME: folder,
    LANG: "C.UTF-8",
    GIT_CONFIG_NOSYSTEM: "1",
  };
  const git = (...commandLine: string[]) =>
    execute("git", ["-C", bare, ...commandLine], { env, maxBuffer: 64 * 1024 * 1024 });

  await execute("git", ["clone", "--quiet", "--bare", url, bare], { env });
  await git("config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*");
  await git("config", "gc.auto", "0");
  await git("fetch", "--quiet", "origin");

  return {
    async dispatch(branch) {
      const worktree = join(folder, branch);
      const started = Date.now();
      await git("fetch", "origin");
      await git("worktree", "add", "--no-track", "-b", branch, worktree, "origin/main");
      await execute("bash", ["-c", "--", firstInstruction], { cwd: worktree, env });
      return (await readFirstInstruction(worktree)) - started;
    },
  };
}
