import type { Confine } from "../git/git.ts";
import type { Logger } from "../log.ts";
import { createReader } from "../sandbox/reader.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";

/** For a git that looks into a worktree beside its worker. undefined where workers aren't locked in themselves. */
export async function findGitConfinement(
  { availability }: Pick<Sandbox, "availability">,
  path: string,
  logger: Pick<Logger, "warn">,
): Promise<Confine | undefined> {
  if (!availability.available) return undefined;
  const { bubblewrap } = availability;
  try {
    const trial = ["git", "--version"];
    return await createReader({ bubblewrap, trial, environment: { PATH: path } });
  } catch (error) {
    logger.warn({ err: error }, "git reads the worktrees of running workers without a sandbox");
    return undefined;
  }
}
