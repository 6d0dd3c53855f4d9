import { codeOf } from "../process/host-failure.ts";

/** Whether the system said that there is no such file. */
export function isMissing(error: unknown): boolean {
  return codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR";
}
