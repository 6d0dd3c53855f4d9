import { closeSync, constants, fstatSync, open } from "node:fs";
import { Socket } from "node:net";
import type { Writable } from "node:stream";
import { promisify } from "node:util";
import { FactoryError } from "../errors.ts";
import { codeOf, hostFailure } from "./host-failure.ts";
import { sessionPaths } from "./session-folder.ts";

/** A bare descriptor: a FileHandle would close it, while the stream needs it. */
const openDescriptor = promisify(open);

/**
 * Opens a session's FIFO for writing, for agents that are spoken to. The stream tells when the agent
 * doesn't keep up (`write` returns false, then `drain`), and ends with an error when the shim and
 * the agent are gone. Destroy it when done; the agent sees no end of input by that, as its shim
 * holds the FIFO open for the next server. What a server killed in mid-write leaves is half a line.
 *
 * Fails with WORKER_NOT_RUNNING when nobody reads, NOT_SUPPORTED for a session without a FIFO.
 */
export async function openStdin(folder: string): Promise<Writable> {
  const file = sessionPaths(folder).stdin;
  let descriptor;
  try {
    descriptor = await openDescriptor(
      file,
      // Without O_NONBLOCK, opening waits for a reader (fifo(7)).
      constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW,
    );
  } catch (error) {
    if (codeOf(error) === "ENXIO") {
      throw new FactoryError("WORKER_NOT_RUNNING", "the worker no longer reads its input", {
        cause: error,
      });
    }
    if (codeOf(error) === "ENOENT") {
      throw new FactoryError("NOT_SUPPORTED", "this worker was started without an input", {
        cause: error,
      });
    }
    throw hostFailure(error, `open ${file}`);
  }
  if (!fstatSync(descriptor).isFIFO()) {
    closeSync(descriptor);
    throw new FactoryError("HOST_FAILURE", `${file} is no FIFO: the worker replaced it`);
  }
  return new Socket({ fd: descriptor, readable: false, writable: true });
}
