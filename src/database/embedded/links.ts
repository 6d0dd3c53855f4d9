// npm packs no symbolic links: the programs' package makes those of its libraries by an install script, which
// npm doesn't run everywhere. Without them no program of Postgres starts.
import { lstat, readFile, symlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { FactoryError } from "../../errors.ts";

/** Both below the package's folder, and in the same folder. */
const linkList = z.array(z.object({ source: z.string(), target: z.string() }));

/**
 * Makes the links that are missing.
 * @throws FactoryError HOST_FAILURE where it may not.
 */
export async function linkLibraries(packageFolder: string): Promise<void> {
  const file = join(packageFolder, "native", "pg-symlinks.json");
  const text = await readFile(file, "utf8").catch(ifMissing("[]"));
  for (const { source, target } of linkList.parse(JSON.parse(text))) {
    const link = join(packageFolder, target);
    if ((await lstat(link).catch(ifMissing(undefined))) !== undefined) continue;
    if (dirname(source) !== dirname(target)) throw new Error(`${file}: ${target} leads elsewhere`);
    await symlink(basename(source), link).catch((error: unknown) => {
      // Another server does the same.
      if (codeOf(error) === "EEXIST") return;
      throw new FactoryError(
        "HOST_FAILURE",
        `The embedded Postgres lacks links in ${packageFolder}, which its install script was to make: run npm rebuild there as its owner, or set DATABASE_URL to a Postgres of your own.`,
        { cause: error },
      );
    });
  }
}

function ifMissing<T>(instead: T): (error: unknown) => T {
  return (error) => {
    if (codeOf(error) === "ENOENT") return instead;
    throw error;
  };
}

function codeOf(error: unknown): unknown {
  return typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
}
