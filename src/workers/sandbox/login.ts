// An agent's login in a sandbox: a copy of the one file that holds it, and one of its settings. Agents renew their
// logins, and some tokens can be used once, so that a renewed one comes back; nothing else that a worker writes does.
import { createHash, randomUUID } from "node:crypto";
import { lstat, mkdir, realpath, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import { z } from "zod";
import type { HomeFile } from "../../agents/definition.ts";
import { codeOf } from "../../process/host-failure.ts";
import { readUntrustedFile, UntrustedFileError } from "../../untrusted-file.ts";

export interface LoginPlaces {
  readonly logins: readonly HomeFile[];
  readonly settings: readonly HomeFile[];
  /** The server's environment: HOME, and variables that name other folders. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The worker's HOME, in which nobody works now. */
  readonly home: string;
  /** Where it is kept what was lent, out of the worker's reach. */
  readonly record: string;
}

/** Far above what any agent keeps there. */
const maxBytes = 256 * 1024;

const recordSchema = z.object({
  /** The worker's HOME. */
  home: z.string(),
  lent: z.array(
    z.object({
      /** Below HOME. */
      file: z.string(),
      source: z.string(),
      /** SHA-256 of what was lent. */
      digest: z.string(),
    }),
  ),
});

type LoginRecord = z.infer<typeof recordSchema>;

/** Copies what is there. A file that can't be read is left out: the agent says then that it has no login. */
export async function lendLogins(places: LoginPlaces): Promise<void> {
  const { logins, settings, environment, home, record } = places;
  const lent: LoginRecord["lent"] = [];
  for (const login of logins) {
    const source = sourceOf(login, environment);
    const text = await copy(source, home, login.file);
    if (text !== undefined) lent.push({ file: login.file, source, digest: digestOf(text) });
  }
  for (const setting of settings) await copy(sourceOf(setting, environment), home, setting.file);
  const written: LoginRecord = { home, lent };
  await writeFile(record, JSON.stringify(written), { mode: 0o600 });
}

/**
 * Takes a renewed login back where it is the same account's and nobody else has renewed it meanwhile, and removes the
 * copy. @returns why one was not taken back, a sentence each
 */
export async function takeBackLogins(record: string): Promise<string[]> {
  const written = await readIfThere(record);
  if (written === undefined) return [];
  const refused: string[] = [];
  const { home, lent } = recordSchema.parse(JSON.parse(written));
  for (const { file, source, digest } of lent) {
    const target = path.join(home, file);
    const renewed = await readIfThere(target, home);
    // By way of a link in the place of its folder the server's own would be removed.
    if (await isReal(path.dirname(target))) await rm(target, { recursive: true, force: true });
    if (renewed === undefined || digestOf(renewed) === digest) continue;
    await alone(source, async () => {
      const current = await readIfThere(source);
      if (current === undefined || digestOf(current) !== digest) return;
      if (isRenewal(current, renewed)) await replace(source, renewed);
      else refused.push(`the worker's ${file} is another login than ${source}, and was left out`);
    });
  }
  await rm(record, { force: true });
  return refused;
}

/** In the place of what is there below HOME. @returns what it holds */
async function copy(source: string, home: string, file: string): Promise<string | undefined> {
  const folder = await ownFolder(home, path.dirname(file));
  const target = path.join(folder, path.basename(file));
  await rm(target, { recursive: true, force: true });
  const text = await readIfThere(source);
  if (text !== undefined) await writeFile(target, text, { mode: 0o600, flag: "wx" });
  return text;
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** The folder below HOME. What the worker before has put in its place is removed. */
async function ownFolder(home: string, below: string): Promise<string> {
  let folder = home;
  for (const name of below.split("/")) {
    folder = path.join(folder, name);
    const found = await lstat(folder).catch((error: unknown) => {
      if (codeOf(error) === "ENOENT") return undefined;
      throw error;
    });
    if (found?.isDirectory() === true) continue;
    await rm(folder, { force: true });
    await mkdir(folder, { mode: 0o700 });
  }
  return folder;
}

async function isReal(folder: string): Promise<boolean> {
  try {
    return (await realpath(folder)) === folder;
  } catch (error) {
    if (codeOf(error) !== undefined) return false;
    throw error;
  }
}

function sourceOf({ file, movedBy }: HomeFile, environment: LoginPlaces["environment"]): string {
  const moved = movedBy === undefined ? undefined : environment[movedBy.variable];
  if (movedBy !== undefined && moved !== undefined && moved !== "") {
    return path.join(moved, path.relative(movedBy.folder, file));
  }
  return path.join(environment["HOME"] ?? homedir(), file);
}

async function readIfThere(file: string, root?: string): Promise<string | undefined> {
  try {
    return (await readUntrustedFile(file, { root, maxBytes })).toString("utf8");
  } catch (error) {
    if (error instanceof UntrustedFileError || codeOf(error) !== undefined) return undefined;
    throw error;
  }
}

async function replace(file: string, text: string): Promise<void> {
  const fresh = `${file}.${randomUUID()}`;
  await writeFile(fresh, text, { mode: 0o600, flag: "wx" });
  await rename(fresh, file);
}

/** What is renewed of a login: tokens, and when they end. All else says whose it is. */
const renewedNames = /token|expire|expiry|refresh|^access$|last_?refresh|^exp$/i;

/** Whether the two differ in nothing but tokens and times, so that nobody else's login comes in its place. */
export function isRenewal(before: string, after: string): boolean {
  const [one, other] = [parse(before), parse(after)];
  return one !== undefined && other !== undefined && isAlike(one, other);
}

function isAlike(before: unknown, after: unknown): boolean {
  if (!isObject(before) || !isObject(after)) return before === after;
  const names = Object.keys(before);
  if (names.length !== Object.keys(after).length) return false;
  return names.every((name) => {
    if (!Object.hasOwn(after, name)) return false;
    const [one, other] = [before[name], after[name]];
    if (isObject(one) || !renewedNames.test(name)) return isAlike(one, other);
    return typeof one === typeof other && !isObject(other);
  });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** By the file: two workers that end at once take back one after the other. */
const underway = new Map<string, Promise<void>>();

async function alone(file: string, act: () => Promise<void>): Promise<void> {
  const before = underway.get(file) ?? Promise.resolve();
  const mine = before.then(act);
  const settled = mine.catch(() => undefined);
  underway.set(file, settled);
  try {
    await mine;
  } finally {
    if (underway.get(file) === settled) underway.delete(file);
  }
}
