// Tests that need a sandbox: real bubblewrap, as root and as an ordinary user.
import { execFile, spawnSync } from "node:child_process";
import { chmod, chown, mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { describe, test } from "@jest/globals";
import { findAvailability } from "../../src/sandbox/availability.ts";

export const availability = await findAvailability({ searchPath: process.env["PATH"] ?? "" });

const isRoot = process.getuid?.() === 0;

/** As CI sets it: there nothing may be left out. */
const isCi = (process.env["CI"] ?? "") !== "";

/** Describes what needs a sandbox. Where there is none it is skipped, with the reason in its name; in CI it fails. */
export function describeSandbox(name: string, define: () => void): void {
  if (availability.available) {
    describe(name, define);
  } else if (isCi) {
    test(name, () => {
      throw new Error(`${availability.reason}: ${availability.remedy}`);
    });
  } else {
    describe.skip(`${name} (skipped: ${availability.reason})`, define);
  }
}

export interface ServerUser {
  readonly name: string;
  /** What a command is begun with, to be run as this user. */
  readonly prefix: readonly string[];
  readonly uid: number;
}

const ordinaryUser: ServerUser = {
  name: "an ordinary user",
  prefix: ["/usr/bin/setpriv", ...["--reuid", "64321", "--regid", "64321", "--clear-groups", "--"]],
  uid: 64_321,
};

/** As whom a server may run: root and an ordinary user, or where the tests aren't run by root that user alone. */
export const serverUsers: readonly ServerUser[] = findServerUsers();

function findServerUsers(): readonly ServerUser[] {
  if (!isRoot) return [{ name: "an ordinary user", prefix: [], uid: process.getuid?.() ?? 0 }];
  // Its folders may be root's alone, as a temporary folder's are.
  const read = [process.execPath, "--check", import.meta.filename];
  const [file = "", ...rest] = [...ordinaryUser.prefix, ...read];
  const root = { name: "root", prefix: [], uid: 0 };
  if (spawnSync(file, rest).status === 0) return [root, ordinaryUser];
  const reason = "other users can't reach this checkout: open its folders to them";
  return [{ ...root, name: `root (an ordinary user is skipped: ${reason})` }];
}

/** A folder that belongs to the user, and that others get through. Removed by `remove`. */
export async function makeBase(
  user: ServerUser,
): Promise<{ base: string; readonly remove: () => Promise<void> }> {
  const base = await mkdtemp(path.join(os.tmpdir(), "factory-sandbox-"));
  await chmod(base, 0o711);
  if (isRoot) await chown(base, user.uid, user.uid);
  return { base, remove: () => rm(base, { recursive: true, force: true }) };
}

/** Runs one of the tests' programs as the user: its input and its output are JSON. */
export async function runProgram<Result>(
  user: ServerUser,
  program: string,
  input: unknown,
): Promise<Result> {
  const [file, ...rest] = [
    ...user.prefix,
    process.execPath,
    "--disable-warning=ExperimentalWarning",
    program,
    JSON.stringify(input),
  ];
  const { promise, resolve, reject } = Promise.withResolvers<Result>();
  execFile(file, rest, { timeout: 50_000, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
    if (error === null) resolve(JSON.parse(stdout) as Result);
    else reject(new Error(`${error.message}\n${stdout}\n${stderr}`));
  });
  return promise;
}
