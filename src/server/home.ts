// FACTORY_HOME: its folders, who owns it, and the operator's token in it.
import { createHash, randomBytes } from "node:crypto";
import { chmod, mkdir, readFile, realpath, rename, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { FactoryError } from "../errors.ts";

export interface Home {
  readonly path: string;
  /** The id under which the database knows this FACTORY_HOME. */
  readonly runnerId: string;
  /** Gives it free for another server. */
  release(): Promise<void>;
}

/**
 * Makes the folder where it is missing and takes it for this process.
 * @throws FactoryError HOST_FAILURE where it can't be used, or another server uses it.
 */
export async function openHome(path: string, isRoot: boolean): Promise<Home> {
  try {
    await mkdir(path, { recursive: true });
    // As root the embedded database runs as a user of its own, which must get through to its folder.
    await chmod(path, isRoot ? 0o711 : 0o700);
    const owner = await takeOwnership(await realpath(path));
    for (const folder of ["repositories", "worktrees", "sessions", "bin"]) {
      await mkdir(join(path, folder), { recursive: true, mode: 0o700 });
    }
    const runnerId = await keep(join(path, "runner-id"), () => crypto.randomUUID());
    return {
      path,
      runnerId,
      release: () =>
        new Promise((resolve) => {
          owner.close(() => {
            resolve();
          });
        }),
    };
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

/**
 * An abstract Unix socket: the kernel gives its name to one process at a time, and frees it with the
 * process, however that ends. Source: unix(7), "abstract".
 */
async function takeOwnership(path: string): Promise<Server> {
  const name = createHash("sha256").update(path).digest("hex").slice(0, 32);
  const server = createServer((socket) => socket.destroy());
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(`\0factory-home-${name}`, resolve);
  try {
    await promise;
  } catch (error) {
    throw new FactoryError(
      "HOST_FAILURE",
      `FACTORY_HOME (${path}) is in use by another server: stop that one, or set FACTORY_HOME to another folder`,
      { cause: error },
    );
  }
  server.unref();
  return server;
}

/** The operator's token: what the setting says, else one that is made at the first start. */
export function readToken(path: string): Promise<string> {
  return keep(join(path, "token"), () => randomBytes(24).toString("base64url"));
}

/** What the file holds; made and written, whole or not at all, where it is missing. */
async function keep(file: string, make: () => string): Promise<string> {
  const existing = await readFile(file, "utf8").catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
    throw error;
  });
  if (existing.trim() !== "") return existing.trim();
  const made = make();
  await writeFile(`${file}.new`, `${made}\n`, { mode: 0o600 });
  await rename(`${file}.new`, file);
  return made;
}

/** Puts the `factory` command on the workers' PATH. */
export async function installCommand(path: string): Promise<void> {
  const main = join(import.meta.dirname, "..", "main.ts");
  const script = `#!/bin/sh\nexec '${quote(process.execPath)}' '${quote(main)}' "$@"\n`;
  await writeFile(join(path, "bin", "factory"), script, { mode: 0o755 });
}

function quote(text: string): string {
  return text.replaceAll("'", String.raw`'\''`);
}
