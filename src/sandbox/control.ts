// The folder of a sandbox's own files, which the worker sees read-only at /run/factory: who it is, and by which
// sockets it reaches the network. The sockets come and go with the server; the folder is what is shown, so that one
// that is made anew is found.
import { chmod, chown, mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { hostFailure } from "../process/host-failure.ts";
import type { SandboxUser } from "./compose.ts";
import { controlNames } from "./compose.ts";

const insideProgram = path.join(import.meta.dirname, "inside.pl");

export interface ControlFolderOptions {
  /** Absolute path. Folders above it must let `user` through. */
  readonly folder: string;
  readonly user: SandboxUser | undefined;
  /** The worker's HOME, as programs find it in /etc/passwd. */
  readonly home: string;
  /** What git reads in /etc/gitconfig. Default: nothing. */
  readonly gitConfiguration?: string | undefined;
}

/**
 * Makes the folder, for its user alone. Repeating it is harmless.
 * @throws FactoryError HOST_FAILURE
 */
export async function createControlFolder(options: ControlFolderOptions): Promise<void> {
  const { folder, user, home, gitConfiguration = "" } = options;
  const { uid, gid } = user ?? { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  const files = {
    [controlNames.passwd]: [
      `worker:x:${String(uid)}:${String(gid)}:Factory worker:${home}:/bin/bash`,
      "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin",
    ],
    [controlNames.group]: [`worker:x:${String(gid)}:`, "nogroup:x:65534:"],
    [controlNames.hosts]: ["127.0.0.1 localhost worker", "::1 localhost ip6-localhost"],
  };
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    for (const [name, lines] of Object.entries(files)) {
      await writeShown(path.join(folder, name), lines.map((line) => `${line}\n`).join(""));
    }
    await writeShown(path.join(folder, controlNames.gitConfiguration), gitConfiguration);
    await writeShown(path.join(folder, controlNames.inside), await readFile(insideProgram));
    if (user !== undefined) {
      // The folder keeps others out, and the worker sees it read-only.
      await chmod(folder, 0o700);
      await chown(folder, user.uid, user.gid);
    }
  } catch (error) {
    throw hostFailure(error, `create the sandbox's folder ${folder}`);
  }
}

async function writeShown(file: string, content: string | Uint8Array): Promise<void> {
  await writeFile(file, content);
  // Whatever the umask says: as root the worker is another user.
  await chmod(file, 0o644);
}
