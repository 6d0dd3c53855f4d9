// Where git starts: in the folder itself, whatever its path leads to by then.
import { readlink, realpath } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
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
 * the folder that git keeps for it, or of a folder above them: git would read and write what it leads to.
 * git would read a HEAD or packed-refs without an end into memory: both are looked at before.
 * @throws FactoryError WORKTREE_NOT_FOUND, HOST_FAILURE
 */
export async function openPlace(place: GitPlace, home: string): Promise<OpenPlace> {
  const { gitDirectory, commonDirectory, workTree } = place;
  await checkUntrustedFile(await findPackedRefs(commonDirectory ?? gitDirectory), {
    maxBytes: maxPackedRefsBytes,
  });
  if (commonDirectory !== undefined) {
    await assertReal(gitDirectory, home);
    await checkUntrustedFile(join(gitDirectory, "HEAD"), { maxBytes: maxHeadBytes });
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

/** A control folder has a link to it; see control.ts. */
async function findPackedRefs(folder: string): Promise<string> {
  const path = join(folder, "packed-refs");
  try {
    return resolve(folder, await readlink(path));
  } catch (error) {
    // It is no link, or there is none.
    if (["EINVAL", "ENOENT", "ENOTDIR"].includes(codeOf(error) ?? "")) return path;
    throw error;
  }
}

async function assertReal(folder: string, home: string): Promise<void> {
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
