import { randomBytes } from "node:crypto";
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
} from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { FactoryError } from "../../errors.ts";
import { roleName, unfinishedPrefix, type Layout } from "./layout.ts";
import { isMissing } from "../error-code.ts";
import { initialisationArguments } from "./settings.ts";
import type { Owner } from "./owner.ts";

/** It takes half a second; on a slow disk its sync at the end takes what it takes. */
const initialisationTimeout = 120_000;

export interface ClusterOptions {
  readonly layout: Layout;
  readonly owner: Owner;
  readonly initdb: string;
  readonly durable: boolean;
}

/**
 * Makes the data folder where there is none. initdb fills a folder of another name, which is renamed
 * when it is complete: killed in the middle, it leaves only what the next call throws away.
 * @returns the password of the role `factory`.
 */
export async function prepareCluster(options: ClusterOptions): Promise<string> {
  const { layout, owner } = options;
  await removeUnfinished(layout);
  if (await exists(layout.data)) return readPassword(layout);

  const password = randomBytes(24).toString("base64url");
  // On the disk before there is a database that needs it.
  await writePassword(layout.password, password);
  const unfinished = await mkdtemp(join(layout.folder, unfinishedPrefix));
  if (owner !== undefined) await chown(unfinished, owner.uid, owner.gid);
  const passwordForInitdb = `${unfinished}.password`;
  await writePassword(passwordForInitdb, password, owner);
  try {
    await initialise(options, unfinished, passwordForInitdb);
  } finally {
    await rm(passwordForInitdb, { force: true });
  }
  await rename(unfinished, layout.data);
  if (options.durable) await syncFolder(layout.folder);
  return password;
}

/**
 * Makes the folder that holds everything of the embedded Postgres. It belongs to this process's user, not
 * to Postgres's: where that is another one, it can't put a link in the place of a file that root writes.
 */
export async function prepareFolder(layout: Layout, owner: Owner): Promise<void> {
  await mkdir(layout.folder, { recursive: true });
  await chmod(layout.folder, owner === undefined ? 0o700 : 0o711);
}

async function removeUnfinished(layout: Layout): Promise<void> {
  const names = (await readdir(layout.folder)).filter((name) => name.startsWith(unfinishedPrefix));
  for (const name of names) {
    // An initdb whose starter was killed may still be writing; the folder is retried while it isn't empty.
    await rm(join(layout.folder, name), { recursive: true, force: true, maxRetries: 10 });
  }
}

async function initialise(
  options: ClusterOptions,
  folder: string,
  passwordFile: string,
): Promise<void> {
  const { layout, owner, initdb, durable } = options;
  const result = await execa(
    initdb,
    [
      `--pgdata=${folder}`,
      `--pwfile=${passwordFile}`,
      ...initialisationArguments(roleName, durable),
    ],
    {
      ...owner,
      cwd: layout.folder,
      // Nothing of this process's environment: it holds secrets, and PG… variables that would interfere.
      env: { LC_ALL: "C" },
      extendEnv: false,
      stdin: "ignore",
      all: true,
      reject: false,
      timeout: initialisationTimeout,
    },
  );
  if (!result.failed) return;
  await rm(folder, { recursive: true, force: true });
  const output = result.all.trim().split("\n").slice(-12).join("\n");
  throw new FactoryError(
    "HOST_FAILURE",
    `The embedded Postgres could not make its data folder in ${layout.folder} (${result.shortMessage ?? "initdb failed"}):\n${output}`,
    { cause: result.cause },
  );
}

/** Closed to all but its reader from the first byte. */
async function writePassword(path: string, password: string, reader?: Owner): Promise<void> {
  await rm(path, { force: true });
  const file = await open(path, "wx", 0o600);
  try {
    if (reader !== undefined) await file.chown(reader.uid, reader.gid);
    await file.writeFile(`${password}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function readPassword(layout: Layout): Promise<string> {
  try {
    return (await readFile(layout.password, "utf8")).trim();
  } catch (error) {
    if (!isMissing(error)) throw error;
    throw new FactoryError(
      "HOST_FAILURE",
      `The embedded Postgres has data in ${layout.data}, but its password file ${layout.password} is ` +
        `gone. Put it back; or move ${layout.folder} away to begin with an empty database.`,
      { cause: error },
    );
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
