/** The code of a system's or Postgres's error, such as ENOENT or 55P03; undefined: it has none. */
export function errorCodeOf(error: unknown): string | undefined {
  // Not `instanceof Error`: where jest runs the sources, the system's errors are of another realm.
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** The file, or the process behind a file of /proc (ESRCH, where it ends during the read), is gone. */
export function isMissing(error: unknown): boolean {
  const code = errorCodeOf(error);
  return code === "ENOENT" || code === "ESRCH";
}
