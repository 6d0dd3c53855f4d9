// Postgres refuses to run as root. As root it runs as the user `postgres`, as Debian's and Red Hat's do.
import { chmod, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { execa } from "execa";
import { FactoryError } from "../../errors.ts";

/** The user that Postgres runs as; undefined: the one that this process runs as. */
export type Owner = { readonly uid: number; readonly gid: number } | undefined;

const userName = "postgres";
const lookupTimeout = 10_000;

/**
 * Finds the user that Postgres is to run as, and makes it where it is missing.
 * @throws FactoryError HOST_FAILURE when this process is root and can't have such a user.
 */
export async function findOwner(): Promise<Owner> {
  if (process.getuid?.() !== 0) return undefined;
  const present = await lookUp();
  if (present !== undefined) return present;
  const made = await execa(
    "useradd",
    ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", userName],
    { reject: false, timeout: lookupTimeout, stdin: "ignore" },
  );
  // Also where useradd failed: another process may have made the user meanwhile.
  const owner = await lookUp();
  if (owner !== undefined) return owner;
  const reason = made.stderr === "" ? (made.shortMessage ?? "no reason given") : made.stderr;
  throw new FactoryError(
    "HOST_FAILURE",
    `Postgres can't run as root, and the user ${userName} could not be made (${reason}). Make it ` +
      `(useradd --system ${userName}), run as another user than root, or set DATABASE_URL to a ` +
      `Postgres of your own.`,
  );
}

async function lookUp(): Promise<Owner> {
  const read = async (flag: "-u" | "-g"): Promise<number | undefined> => {
    const result = await execa("id", [flag, userName], { reject: false, timeout: lookupTimeout });
    return /^\d+$/.test(result.stdout) ? Number(result.stdout) : undefined;
  };
  const uid = await read("-u");
  const gid = await read("-g");
  return uid === undefined || gid === undefined ? undefined : { uid, gid };
}

/** Lets Postgres's user pass through the home folder, without letting it list the folder. */
export async function openHome(home: string, owner: Owner): Promise<void> {
  if (owner === undefined) return;
  const { mode, uid } = await stat(home);
  if (uid === process.getuid?.() && (mode & 0o011) !== 0o011)
    await chmod(home, (mode & 0o7777) | 0o011);
}

/** The folder nearest to the root that keeps `owner` from reaching `path`; undefined: it can be reached. */
export async function findBarrier(path: string, owner: Owner): Promise<string | undefined> {
  if (owner === undefined) return undefined;
  const parent = dirname(path);
  if (parent !== path) {
    const barrier = await findBarrier(parent, owner);
    if (barrier !== undefined) return barrier;
  }
  const found = await stat(path);
  if (!found.isDirectory()) return undefined;
  const execute = found.uid === owner.uid ? 0o100 : found.gid === owner.gid ? 0o010 : 0o001;
  return (found.mode & execute) === 0 ? path : undefined;
}
