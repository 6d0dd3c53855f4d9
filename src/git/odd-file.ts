// git opens files of a repository without asking what they are. A FIFO, a device or a file without an end among them,
// which only a worker can have put there, holds it for ever; a link leads it to what isn't the worker's.
import { lstat } from "node:fs/promises";
import { join } from "node:path";
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
      async (path) => {
        if (path !== undefined) found.abort(await describe(path));
      },
      // Where there is no find(1), git ends by its time limit.
      () => undefined,
    );
  }, patienceMs);
  return {
    signal: found.signal,
    [Symbol.dispose]() {
      clearTimeout(timer);
      ended.abort(ends);
    },
  };
}

/** Without a reason each call of git would make an error with a stack. */
const ends = new Error("git has ended");

/** Before git opens the repository. Where there is no find(1), nothing is found. @throws UntrustedFileError */
export async function assertNoOddFile(gitDirectory: string): Promise<void> {
  const path = await find(searchRepository(gitDirectory), undefined);
  if (path !== undefined) throw await describe(path);
}

const special = ["-type", "p", "-o", "-type", "c", "-o", "-type", "b"];

/** What our git reads there. Hooks and the like it never opens, and links are usual among them. */
function searchRepository(gitDirectory: string): string[] {
  const unread = ["hooks", "modules", "lfs", "annex"].flatMap((name) => [
    ...["-o", "-path"],
    join(gitDirectory, name),
  ]);
  // git reads the whole of such a file into memory, and it holds a name or an id.
  const named = [join(gitDirectory, "refs/*"), join(gitDirectory, "HEAD")];
  const endless = named.flatMap((path) => ["-o", "-path", path, "-size", "+2048k"]);
  return [
    ...[gitDirectory, "-mindepth", "1", "(", ...unread.slice(1), ")", "-prune"],
    ...["-o", "(", "-type", "l", "-o", ...special, ...endless, ")"],
  ];
}

/** The first file that git may wait for; undefined: none was found in time. */
async function findOddFile(
  { gitDirectory, workTree }: GitPlace,
  signal: AbortSignal,
): Promise<string | undefined> {
  const found = await find(searchRepository(gitDirectory), signal);
  if (found !== undefined || workTree === undefined) return found;
  // Of a worktree's files git opens no others than regular ones, but for these. Theirs may be FIFOs for a reason.
  const read = ["(", "-name", ".git*", "-o", "-path", "*/.git/*", ")"];
  return find([workTree, ...read, "(", ...special, ")"], signal);
}

async function find(
  search: readonly string[],
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  // A program: it goes by descriptors where a path would be too long, and takes none of Node's threads.
  const { stdout } = await execa("find", [...search, "-print", "-quit"], {
    reject: false,
    timeout: lookTimeoutMs,
    maxBuffer: 64 * 1024,
    ...(signal === undefined ? {} : { cancelSignal: signal }),
  });
  const [path] = stdout.split("\n");
  return path === "" ? undefined : path;
}

async function describe(path: string): Promise<UntrustedFileError> {
  const stats = await lstat(path).catch(() => undefined);
  const what = stats?.isSymbolicLink()
    ? "is a symbolic link"
    : stats?.isFIFO()
      ? "is a FIFO, for which git waits"
      : "is a device or a file without an end, for which git waits";
  return new UntrustedFileError(path, what);
}
