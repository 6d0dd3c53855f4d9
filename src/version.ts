import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Factory's own, as its package says. */
export function readVersion(): string {
  const file = join(import.meta.dirname, "..", "package.json");
  // Our own file, whose shape npm has checked.
  const { version } = JSON.parse(readFileSync(file, "utf8")) as { version: string };
  return version;
}

/** The header of every answer that tells the server's version. */
export const versionHeader = "X-Factory-Version";
