// FACTORY_HOME: its folders, who owns it, and the operator's token in it.
import { randomBytes } from "node:crypto";
import {
  access,
  chmod,
  constants,
  mkdir,
  readFile,
  realpath,
  rename,
  writeFile,
} from "node:fs/promises";
import { extname, join } from "node:path";
import { FactoryError } from "../errors.ts";
import { lockHome, type HomeWatcher } from "./home-lock.ts";

export interface Home {
  readonly path: string;
  /** The id under which the database knows this FACTORY_HOME. */
  readonly runnerId: string;
  /** Says that its files are of this version from now on: an older one refuses it then. */
  raiseLayout(): Promise<void>;
  /** Gives it free for another server. */
  release(): Promise<void>;
}

export interface HomeUsers {
  /** Whether the server is root. */
  readonly isRoot: boolean;
  /** Whether its workers are users of their own then, which must get through to their folders. */
  readonly hasOthers: boolean;
}

/**
 * What the folder's files mean. Raised by a change that an older version of Factory would misread; such a
 * change also says here how it takes up the older folder.
 */
const layoutVersion = 2;
const layoutFile = "layout-version";
const folders = ["repositories", "worktrees", "sessions", "homes", "bin"];

/**
 * Makes the folder where it is missing and takes it for this process.
 * @throws FactoryError HOST_FAILURE where it can't be used, or another server uses it.
 */
export function openHome(path: string, users: HomeUsers, watcher: HomeWatcher): Promise<Home> {
  const { isRoot, hasOthers } = users;
  return tellHome(path, async () => {
    await mkdir(path, { recursive: true });
    // As root the embedded database runs as a user of its own, which must get through to its folder.
    await chmod(path, isRoot ? 0o711 : 0o700);
    const lock = await lockHome(await realpath(path), watcher);
    try {
      await checkLayout(path);
      for (const name of folders) {
        const folder = join(path, name);
        await mkdir(folder, { recursive: true, mode: 0o700 });
        await chmod(folder, isRoot && hasOthers ? 0o711 : 0o700);
        await access(folder, constants.R_OK | constants.W_OK | constants.X_OK);
      }
      const runnerId = await keep(join(path, "runner-id"), () => crypto.randomUUID());
      return {
        path,
        runnerId,
        raiseLayout: () => write(join(path, layoutFile), String(layoutVersion)),
        release: () => lock.release(),
      };
    } catch (error) {
      await lock.release();
      throw error;
    }
  });
}

/** @throws FactoryError HOST_FAILURE where a newer version of Factory has written the folder. */
async function checkLayout(path: string): Promise<void> {
  const written = await keep(join(path, layoutFile), () => String(layoutVersion));
  if (/^\d+$/.test(written) && Number(written) <= layoutVersion) return;
  throw new FactoryError(
    "HOST_FAILURE",
    `FACTORY_HOME (${path}) is of a newer version of Factory (its layout-version is ${written.slice(0, 40)}, this version knows ${String(layoutVersion)}): run that version, or set FACTORY_HOME to another folder`,
  );
}

/** @throws FactoryError HOST_FAILURE, whatever it was that failed. */
async function tellHome<T>(path: string, use: () => Promise<T>): Promise<T> {
  try {
    return await use();
  } catch (error) {
    if (error instanceof FactoryError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new FactoryError(
      "HOST_FAILURE",
      `FACTORY_HOME (${path}) can't be used: ${reason}; set FACTORY_HOME to a folder of your own`,
      { cause: error },
    );
  }
}

/** The operator's token where no setting names one; made at the first start. */
export async function readToken(path: string): Promise<{ token: string; isNew: boolean }> {
  let isNew = false;
  const token = await tellHome(path, () =>
    keep(join(path, "token"), () => {
      isNew = true;
      return randomBytes(24).toString("base64url");
    }),
  );
  return { token, isNew };
}

/** What the file holds; made and written, whole or not at all, where it is missing. */
async function keep(file: string, make: () => string): Promise<string> {
  const existing = await readFile(file, "utf8").catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
    throw error;
  });
  if (existing.trim() !== "") return existing.trim();
  const made = make();
  await write(file, made);
  return made;
}

async function write(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, `${text}\n`, { mode: 0o600 });
  await rename(`${file}.new`, file);
}

/** Puts the `factory` command on the workers' PATH. */
export async function installCommand(path: string): Promise<void> {
  // Built, in the package.
  const main = join(import.meta.dirname, "..", `main${extname(import.meta.filename)}`);
  const script = `#!/bin/sh\nexec '${quote(process.execPath)}' '${quote(main)}' "$@"\n`;
  await tellHome(path, () => writeFile(join(path, "bin", "factory"), script, { mode: 0o755 }));
}

function quote(text: string): string {
  return text.replaceAll("'", String.raw`'\''`);
}
