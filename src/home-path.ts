import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** Where FACTORY_HOME is: an absolute path. */
export function homeOf(given: string | undefined): string {
  const isRoot = process.getuid?.() === 0;
  return resolve(given ?? (isRoot ? "/var/lib/factory" : join(homedir(), ".factory")));
}
