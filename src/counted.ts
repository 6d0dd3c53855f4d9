/** "2 files (a.txt, b.txt)": of what is counted, those that are named. */
export function named(what: string, names: readonly string[], count: number): string {
  if (names.length === 0) return what;
  return `${what} (${names.join(", ")}${count > names.length ? ", …" : ""})`;
}

/** "1 commit", "2 commits". */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${String(count)} ${count === 1 ? one : many}`;
}
