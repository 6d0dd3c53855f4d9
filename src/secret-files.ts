// Settings that are secrets may stand in files, as clusters and containers mount them: NAME_FILE names the file.
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { resolve } from "node:path";

/** Settings that may be given so. */
export const secretNames = [
  "DATABASE_URL",
  "FACTORY_TOKEN",
  "GITHUB_TOKEN",
  "GH_TOKEN",
  "GITLAB_TOKEN",
  "GITEA_TOKEN",
  "OTEL_EXPORTER_OTLP_HEADERS",
  "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
] as const;

const maxBytes = 64 * 1024;

/** What the files hold, by the settings' names, without the line ends at their end; and what is wrong, a line each. */
export function readSecretFiles(
  given: Readonly<Record<string, string | undefined>>,
  names: readonly string[] = secretNames,
): { secrets: Record<string, string>; mistakes: string[] } {
  const secrets: Record<string, string> = {};
  const mistakes: string[] = [];
  for (const name of names) {
    const file = given[`${name}_FILE`];
    if (file === undefined || file === "") continue;
    if (given[name] !== undefined && given[name] !== "") {
      mistakes.push(`${name} and ${name}_FILE are both set: leave one of them out`);
      continue;
    }
    try {
      secrets[name] = readSecret(resolve(file));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      mistakes.push(`${name}_FILE names ${file}, which can't be used: ${reason}`);
    }
  }
  return { secrets, mistakes };
}

/** @throws Error that says what is wrong with the file. */
function readSecret(file: string): string {
  // Without waiting for who writes into a pipe.
  const handle = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (!fstatSync(handle).isFile()) throw new Error("it is no regular file");
    const buffer = Buffer.alloc(maxBytes + 1);
    let length = 0;
    for (let count = -1; count !== 0 && length < buffer.length; length += count) {
      count = readSync(handle, buffer, length, buffer.length - length, null);
    }
    if (length > maxBytes) throw new Error("it has more than 64 KiB");
    const text = buffer.toString("utf8", 0, length).replace(/[\r\n]+$/, "");
    if (text === "") throw new Error("it is empty");
    return text;
  } finally {
    closeSync(handle);
  }
}
