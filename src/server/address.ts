// Leaves the server's address in FACTORY_HOME while it listens.
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { addressFileOf, parseAddress, type Address } from "../address-file.ts";
import { codeOf, hostFailure } from "../process/host-failure.ts";
import { readBootId, readProcess } from "../process/proc.ts";

/**
 * Written whole or not at all.
 * @returns what removes it
 * @throws FactoryError HOST_FAILURE
 */
export async function leaveAddress(home: string, url: string): Promise<() => Promise<void>> {
  const file = addressFileOf(home);
  const { pid } = process;
  const address: Address = {
    url: asReachedFromHere(url),
    bootId: readBootId(),
    pid,
    startTime: readProcess(pid)?.startTime ?? 0,
  };
  try {
    await writeFile(`${file}.new`, `${JSON.stringify(address)}\n`, { mode: 0o600 });
    await rename(`${file}.new`, file);
  } catch (error) {
    throw hostFailure(error, `write ${file}`);
  }
  return async () => {
    // Another server may have taken the folder over meanwhile.
    if ((await readOwner(file)) === pid) await rm(file, { force: true });
  };
}

/** The process that has written it. */
async function readOwner(file: string): Promise<number | undefined> {
  try {
    return parseAddress(await readFile(file, "utf8"))?.pid;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** An address that means all of a machine's is none to connect to. */
function asReachedFromHere(url: string): string {
  return url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:");
}
