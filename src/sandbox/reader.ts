// What starts a program of the server's that reads what a worker may be changing at this moment.
import { execa } from "execa";
import { programFolders } from "./system.ts";

export interface ReaderView {
  /** Files and folders; those that are missing are left out. */
  readonly readable: readonly string[];
  /** Folders of the server's own, which exist. */
  readonly writable: readonly string[];
}

/** @returns program and arguments to stand before a command */
export type ComposeReader = (view: ReaderView) => readonly string[];

export interface ReaderOptions {
  /** Absolute path of bubblewrap. */
  readonly bubblewrap: string;
  /** A command that works where readers do, and its environment. */
  readonly trial: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

const trialTimeoutMs = 20_000;

/**
 * Tries it. In sight are the system's programs and what the view names, each at its own path; there is no network and
 * no other process. A link that leads elsewhere leads nowhere there, however late it was put in its place.
 *
 * As root a reader stays root, which alone may read the files of workers' own users, with that one capability left.
 * @throws Error with bubblewrap's words, where it can't start the trial
 */
export async function createReader(options: ReaderOptions): Promise<ComposeReader> {
  const { bubblewrap, trial, environment } = options;
  const isRoot = process.getuid?.() === 0;
  const base = [
    bubblewrap,
    ...(isRoot ? [] : ["--unshare-user"]),
    ...["--unshare-pid", "--unshare-ipc", "--unshare-net", "--die-with-parent"],
    ...["--cap-drop", "ALL", ...(isRoot ? ["--cap-add", "CAP_DAC_OVERRIDE"] : [])],
    ...(await programFolders()),
    ...["--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache", "--dev", "/dev"],
  ];
  const compose: ComposeReader = ({ readable, writable }) => [
    ...base,
    ...readable.flatMap((folder) => ["--ro-bind-try", folder, folder]),
    ...writable.flatMap((folder) => ["--bind", folder, folder]),
    "--",
  ];
  const [program = "", ...rest] = [...compose({ readable: [], writable: [] }), ...trial];
  const { failed, stderr, shortMessage } = await execa(program, rest, {
    extendEnv: false,
    env: environment,
    stdin: "ignore",
    stdout: "ignore",
    timeout: trialTimeoutMs,
    maxBuffer: 10_000,
    reject: false,
  });
  if (failed) throw new Error(stderr === "" ? shortMessage : stderr);
  return compose;
}
