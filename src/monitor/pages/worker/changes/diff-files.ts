// A unified diff of git's, taken apart into its files. Their lines are looked at when a file is opened, so that a diff
// of thousands of files is listed at once.

export interface DiffFile {
  readonly path: string;
  /** Another one where it was renamed or copied. */
  readonly oldPath: string;
  readonly kind: "changed" | "new" | "deleted" | "renamed" | "copied";
  readonly isBinary: boolean;
  /** Where it was changed: such as 100644 to 100755. */
  readonly modes: readonly [string, string] | undefined;
  readonly insertions: number;
  readonly deletions: number;
  /** Its part of the diff, as git printed it. */
  readonly text: string;
}

const head = "diff --git ";

/** @param isCut the text ends somewhere: its last line may be half of one */
export function readFiles(text: string, isCut: boolean): DiffFile[] {
  const whole = isCut ? text.slice(0, text.lastIndexOf("\n") + 1) : text;
  const files: DiffFile[] = [];
  for (let start = whole.startsWith(head) ? 0 : next(whole, 0); start !== -1;) {
    const end = next(whole, start);
    files.push(readFile(end === -1 ? whole.slice(start) : whole.slice(start, end)));
    start = end;
  }
  return files;
}

/** Lines of content begin with a sign: at a line's beginning these words are a file's head. */
function next(text: string, from: number): number {
  const at = text.indexOf(`\n${head}`, from);
  return at === -1 ? -1 : at + 1;
}

function readFile(text: string): DiffFile {
  const firstHunk = text.startsWith("@@") ? 0 : text.indexOf("\n@@") + 1;
  const lines = (firstHunk === 0 ? text : text.slice(0, firstHunk)).split("\n");
  const find = (start: string): string | undefined =>
    lines.find((line) => line.startsWith(start))?.slice(start.length);

  const [oldName, newName] = namesOf(lines[0]?.slice(head.length) ?? "");
  const from = find("rename from ") ?? find("copy from ");
  const to = find("rename to ") ?? find("copy to ");
  const before = withoutSide(find("--- "));
  const after = withoutSide(find("+++ "));
  const isNew = find("new file mode ") !== undefined;
  const isDeleted = find("deleted file mode ") !== undefined;
  const oldMode = find("old mode ");
  const newMode = find("new mode ");
  return {
    oldPath: unquote(from) ?? before ?? oldName,
    path: unquote(to) ?? after ?? before ?? newName,
    kind: isNew
      ? "new"
      : isDeleted
        ? "deleted"
        : find("rename to ") !== undefined
          ? "renamed"
          : to !== undefined
            ? "copied"
            : "changed",
    isBinary: lines.some((line) => /^(?:Binary files|GIT binary patch)/.test(line)),
    modes: oldMode === undefined || newMode === undefined ? undefined : [oldMode, newMode],
    ...countLines(text, firstHunk),
    text,
  };
}

function countLines(text: string, from: number): { insertions: number; deletions: number } {
  let insertions = 0;
  let deletions = 0;
  if (from === 0) return { insertions, deletions };
  for (let at = text.indexOf("\n", from); at !== -1; at = text.indexOf("\n", at + 1)) {
    const sign = text[at + 1];
    if (sign === "+") insertions += 1;
    else if (sign === "-") deletions += 1;
  }
  return { insertions, deletions };
}

/** Of "--- a/path" and "+++ b/path"; a path with a space in it has a tabulator behind it. */
function withoutSide(name: string | undefined): string | undefined {
  if (name === undefined || name === "/dev/null") return undefined;
  return unquote(name.replace(/\t$/, "")).slice(2);
}

/** Both are the same where no other line names them, so an unquoted one is half of the text. */
function namesOf(text: string): readonly [string, string] {
  if (text.startsWith('"')) {
    const end = /^"(?:[^"\\]|\\.)*"/.exec(text)?.[0].length ?? text.length;
    const name = unquote(text.slice(0, end)).slice(2);
    return [name, name];
  }
  const name = text.slice(2, (text.length - 1) / 2);
  return [name, name];
}

const escapes: Readonly<Record<string, string>> = {
  a: "\u0007",
  b: "\b",
  t: "\t",
  n: "\n",
  v: "\v",
  f: "\f",
  r: "\r",
};

/** git writes names with unusual bytes as C does, between quotes. Source: git-config(1), core.quotePath. */
function unquote(name: string): string;
function unquote(name: string | undefined): string | undefined;
function unquote(name: string | undefined): string | undefined {
  if (name === undefined || !/^".*"$/s.test(name)) return name;
  const bytes: number[] = [];
  for (const [, octal, letter, plain] of name
    .slice(1, -1)
    .matchAll(/\\([0-7]{3})|\\(.)|([^\\]+)/gs)) {
    if (octal !== undefined) bytes.push(Number.parseInt(octal, 8));
    else
      bytes.push(
        ...new TextEncoder().encode(letter === undefined ? plain : (escapes[letter] ?? letter)),
      );
  }
  return new TextDecoder().decode(Uint8Array.from(bytes));
}
