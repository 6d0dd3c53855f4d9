// Where git starts: in the folder itself, whatever its path leads to by then.
import { realpath } from "node:fs/promises";
import { join, relative } from "node:path";
import { FactoryError } from "../errors.ts";
import { hostFailure } from "../process/host-failure.ts";
import { checkUntrustedFile, openUntrustedFolder, UntrustedFileError } from "../untrusted-file.ts";
import { codeOf } from "./files.ts";
import type { GitPlace } from "./spawn.ts";

export interface OpenPlace extends AsyncDisposable {
  /** For the start of a process, until this is disposed of. */
  readonly folder: string;
}

/**
 * The work tree, or `home` where there is none. A worker may have put a symbolic link in the place of a worktree, of
 * its repository, or of a folder above them: git would read and write what it leads to.
 * git would read a HEAD or packed-refs without an end into memory: both are looked at before.
 * @throws FactoryError WORKTREE_NOT_FOUND, HOST_FAILURE
 */
export async function openPlace(place: GitPlace, home: string): Promise<OpenPlace> {
  const { gitDirectory, commonDirectory, workTree } = place;
  // The clone is the server's alone.
  if (commonDirectory !== undefined) {
    await assertReal(gitDirectory, home);
    for (const [name, maxBytes] of [
      ["HEAD", maxHeadBytes],
      ["packed-refs", maxPackedRefsBytes],
    ] as const) {
      await checkUntrustedFile(join(gitDirectory, name), { maxBytes });
    }
  }
  if (workTree === undefined)
    return { folder: home, [Symbol.asyncDispose]: () => Promise.resolve() };
  try {
    const handle = await openUntrustedFolder(workTree, { root: home });
    return {
      folder: process.platform === "linux" ? `/proc/self/fd/${String(handle.fd)}` : workTree,
      [Symbol.asyncDispose]: () => handle.close(),
    };
  } catch (error) {
    throw explain(workTree, error);
  }
}

/** Of some three million refs. */
const maxPackedRefsBytes = 256 * 1024 * 1024;
/** It holds one ref or id. */
const maxHeadBytes = 64 * 1024;

/** @throws FactoryError WORKTREE_NOT_FOUND where the folder is gone, or a link is in its place or above it */
export async function assertReal(folder: string, home: string): Promise<void> {
  try {
    const real = await realpath(folder);
    if (real === join(await realpath(home), relative(home, folder))) return;
    throw new UntrustedFileError(folder, "is reached by a symbolic link");
  } catch (error) {
    throw explain(folder, error);
  }
}

function explain(folder: string, error: unknown): unknown {
  const isGone = ["ENOENT", "ENOTDIR"].includes(codeOf(error) ?? "");
  if (!isGone && !(error instanceof UntrustedFileError))
    return hostFailure(error, `open ${folder}`);
  const why = error instanceof UntrustedFileError ? error.message : `there is no folder ${folder}`;
  return new FactoryError("WORKTREE_NOT_FOUND", `the worktree is not in its place: ${why}`, {
    cause: error,
  });
}
