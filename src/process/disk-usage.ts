import { execa } from "execa";
import { hostFailure } from "./host-failure.ts";

const timeoutMs = 15 * 60_000;

/**
 * How many bytes of disk the folders take together; files that several names lead to count once. A program
 * and not node:fs: it can be ended, and counts a million files without keeping the event loop busy.
 *
 * Fails with HOST_FAILURE when it can't be told, or takes longer than 15 minutes.
 */
export async function measureFolders(
  folders: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const result = await execa("du", ["--summarize", "--block-size=1", "--", ...folders], {
    reject: false,
    timeout: timeoutMs,
    cancelSignal: signal,
  });
  signal.throwIfAborted();
  const sizes = result.stdout.split("\n").map((line) => Number.parseInt(line, 10));
  // Files that went meanwhile make it fail, but still count the rest.
  if (sizes.length !== folders.length || sizes.some(Number.isNaN)) {
    throw hostFailure(result, "measure the clones and worktrees");
  }
  return sizes.reduce((sum, size) => sum + size, 0);
}
