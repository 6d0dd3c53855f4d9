// What is said to an agent: a file that only grows, and a relay (see shim.sh) that hands it on. So a server
// that is killed in the middle of a line leaves the rest of it to the next one, and nothing is said twice.
import path from "node:path";
import { FactoryError } from "../errors.ts";
import { codeOf, hostFailure } from "./host-failure.ts";
import type { Identity } from "./identity.ts";
import { readLiveProcess } from "./proc.ts";
import { sessionPaths } from "./session-folder.ts";
import { openUntrustedFile } from "../untrusted-file.ts";

/**
 * Makes `bytes` stand in the file from `offset` on, whether none, some or all of them do already. One
 * caller at a time.
 *
 * Fails with HOST_FAILURE where the disk is full (calling again goes on where it stopped), or where the
 * file is gone or holds something else.
 */
export async function appendInput(
  folder: string,
  { offset, bytes }: { readonly offset: number; readonly bytes: Uint8Array },
): Promise<void> {
  const file = sessionPaths(folder).input;
  try {
    // A worker may have put a link to another session's folder in the place of its own.
    const root = path.dirname(path.dirname(file));
    const handle = await openUntrustedFile(file, { root, access: "write" });
    try {
      const { size } = await handle.stat();
      if (size < offset || size > offset + bytes.length) {
        throw new FactoryError(
          "HOST_FAILURE",
          `${file} has ${String(size)} bytes, and not what was said to the worker: somebody changed it`,
        );
      }
      for (let done = size - offset; done < bytes.length;) {
        const { bytesWritten } = await handle.write(
          bytes,
          done,
          bytes.length - done,
          offset + done,
        );
        done += bytesWritten;
      }
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw hostFailure(error, `write to ${file}`);
  }
}

/**
 * The agent sees the end of its input, once it has read what was said. Harmless where that was done before,
 * and for a session without an input.
 */
export function endInput({ relay }: Pick<Identity, "relay">): void {
  // Its number may be another process's by now.
  if (relay === null || readLiveProcess(relay) === undefined) return;
  try {
    process.kill(relay.pid, "SIGTERM");
  } catch (error) {
    if (codeOf(error) !== "ESRCH") throw error;
  }
}
