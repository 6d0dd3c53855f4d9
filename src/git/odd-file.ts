// git opens files of a repository without asking what they are. A FIFO, a device or a file without an end among them,
// which only a worker can have put there, holds it for ever.
import { dirname, join, resolve } from "node:path";
import { readlink } from "node:fs/promises";
import { execa } from "execa";
import { UntrustedFileError } from "../untrusted-file.ts";
import type { GitPlace } from "./spawn.ts";

/** How long git may take before it is looked whether something holds it. */
const patienceMs = 1_000;
const lookTimeoutMs = 5_000;

export interface OddFileWatch extends Disposable {
  /** Aborts with an UntrustedFileError that names the file. */
  readonly signal: AbortSignal;
}

/** Looks for such a file where a git that works there takes long. */
export function watchForOddFile(place: GitPlace): OddFileWatch {
  const found = new AbortController();
  const ended = new AbortController();
  const timer = setTimeout(() => {
    findOddFile(place, ended.signal).then(
      (path) => {
        if (path === undefined) return;
        found.abort(
          new UntrustedFileError(
            path,
            "is a FIFO, a device, a link or a file without an end, for which git waits",
          ),
        );
      },
      // Where there is no find(1), git ends by its time limit.
      () => undefined,
    );
  }, patienceMs);
  return {
    signal: found.signal,
    [Symbol.dispose]() {
      clearTimeout(timer);
      ended.abort();
    },
  };
}

/** git reads the whole of such a file into memory, and it holds a name or an id. */
const endless = ["(", "-type", "l", "-o", "-size", "+2048k", ")"];
const odd = ["(", "-type", "p", "-o", "-type", "c", "-o", "-type", "b", ")"];

/** The first file that git may wait for; undefined: none was found in time. */
async function findOddFile(place: GitPlace, signal: AbortSignal): Promise<string | undefined> {
  const { gitDirectory, commonDirectory = gitDirectory, workTree } = place;
  const repository = await findRepository(commonDirectory);
  const searches = [
    // Also what it keeps of other worktrees: many commands read each one's HEAD.
    [repository, ...odd],
    [join(repository, "refs"), ...endless],
    [join(repository, "worktrees"), "-maxdepth", "2", "-name", "HEAD", ...endless],
    // Of a worktree's files git opens no others than regular ones, but for these. Theirs may be FIFOs for a reason.
    ...(workTree === undefined
      ? []
      : [[workTree, "(", "-name", ".git*", "-o", "-path", "*/.git/*", ")", ...odd]]),
  ];
  for (const search of searches) {
    // A program: it goes by descriptors where a path would be too long, and takes none of Node's threads.
    const { stdout } = await execa("find", [...search, "-print", "-quit"], {
      reject: false,
      timeout: lookTimeoutMs,
      cancelSignal: signal,
      maxBuffer: 64 * 1024,
    });
    const [path] = stdout.split("\n");
    if (path !== undefined && path !== "") return path;
  }
  return undefined;
}

/** What the links of a control folder lead to; see control.ts. */
async function findRepository(folder: string): Promise<string> {
  try {
    return dirname(resolve(folder, await readlink(resolve(folder, "refs"))));
  } catch {
    // It is no link, and the folder is the repository itself; or it isn't made yet, and nothing is found there.
    return folder;
  }
}
