import { FactoryError } from "../errors.ts";

/** The system's error code, such as ENOENT, if the thrown value has one. */
export function codeOf(error: unknown): string | undefined {
  return typeof error === "object" &&
    error !== null &&
    "code" in error &&
    typeof error.code === "string"
    ? error.code
    : undefined;
}

/** What to do about it, by errno(3). Codes that aren't here speak for themselves. */
const remedies: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full: make room",
  EDQUOT: "the disk quota is used up: make room or raise it",
  EROFS: "the file system is read-only: make it writable",
  EACCES: "permission denied: check the folder's owner and mode",
  EPERM: "not permitted: check the folder's owner and mode",
  EMFILE: "too many open files: raise the limit (ulimit -n)",
  ENFILE: "the host has too many open files",
  EAGAIN: "the host has no process left to give: raise the limit (ulimit -u, pids cgroup)",
  ENOMEM: "the host is out of memory",
};

/** A failure of the machine below us, told with the step that it stopped and what helps. */
export function hostFailure(error: unknown, step: string): FactoryError {
  if (error instanceof FactoryError) {
    return error;
  }
  const code = codeOf(error);
  const message = error instanceof Error ? error.message : String(error);
  const reason = (code === undefined ? undefined : remedies[code]) ?? message;
  return new FactoryError("HOST_FAILURE", `could not ${step}: ${reason}`, {
    cause: error,
    facts: code === undefined ? {} : { systemCode: code },
  });
}
