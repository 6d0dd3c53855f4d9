// Cuts a diff to what an agent can read at once: whole, or the files that it asks for, in pieces.

/** About 6,000 tokens. */
export const mostDiffCharacters = 20_000;
const mostFiles = 200;

export interface FileChange {
  readonly path: string;
  readonly insertions: number;
  readonly deletions: number;
}

export interface CutDiff {
  readonly text: string;
  /** Where the next piece starts; null: this was the last. */
  readonly next: number | null;
  /** What the text and its further pieces are about. */
  readonly files: readonly FileChange[];
}

/** @param path a file, or a folder for all below it */
export function cutDiff(
  diff: string,
  {
    path,
    offset = 0,
  }: { readonly path?: string | undefined; readonly offset?: number | undefined },
): CutDiff {
  const sections = split(diff);
  const chosen = sections.filter(
    ({ path: changed }) => path === undefined || isBelow(changed, path),
  );
  const whole = chosen.map(({ text }) => text).join("");
  const end = endOfPiece(whole, offset);
  return {
    text: whole.slice(offset, end),
    next: end < whole.length ? end : null,
    files: chosen.slice(0, mostFiles).map(({ path: changed, text }) => ({
      path: changed,
      ...countLines(text),
    })),
  };
}

/** At the end of a line where there is one. */
function endOfPiece(whole: string, offset: number): number {
  const most = offset + mostDiffCharacters;
  if (most >= whole.length) return whole.length;
  const lineEnd = whole.lastIndexOf("\n", most - 1) + 1;
  return lineEnd > offset ? lineEnd : most;
}

function split(diff: string): { path: string; text: string }[] {
  // Lines of files begin with a sign or a space, so that this is the header of a file.
  return diff
    .split(/^(?=diff --git )/m)
    .filter((text) => text !== "")
    .map((text) => ({ path: pathOf(text), text }));
}

function pathOf(section: string): string {
  const header = section.slice(0, section.search(/^@@/m) >>> 0);
  const named =
    /^\+\+\+ "?b\/(.*?)"?\t?$/m.exec(header) ??
    /^--- "?a\/(.*?)"?\t?$/m.exec(header) ??
    /^rename to "?(.*?)"?$/m.exec(header) ??
    // Neither text nor renamed: both names are the same.
    /^diff --git "?a\/(.*?)"? "?b\/\1"?$/m.exec(header);
  return named?.[1] ?? "";
}

function isBelow(changed: string, path: string): boolean {
  const folder = path.replace(/^\.\//, "").replace(/\/+$/, "");
  return folder === "" || folder === "." || changed === folder || changed.startsWith(`${folder}/`);
}

function countLines(section: string): { insertions: number; deletions: number } {
  const start = section.search(/^@@/m);
  const body = start === -1 ? "" : section.slice(start);
  return {
    insertions: body.match(/^\+/gm)?.length ?? 0,
    deletions: body.match(/^-/gm)?.length ?? 0,
  };
}
