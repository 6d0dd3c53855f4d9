// Commits as `git log` tells them. What stands in a commit is its author's to choose, byte by byte.
import { randomUUID } from "node:crypto";
import type { GitSource } from "./worktree-git.ts";

export interface GitCommit {
  readonly id: string;
  /** At most 1,000 characters. */
  readonly subject: string;
  /** At most 1,000 characters; may be empty. */
  readonly authorName: string;
  /** Held to the years 1 to 9999. */
  readonly committedAt: Date;
}

/** Characters of a subject or a name. */
const longestText = 1_000;
/** Of all commits that are asked for together; what comes behind it is left out. */
const mostBytes = 16 * 1024 * 1024;
/** What RFC 3339 can write, in milliseconds since 1970. */
const firstDate = Date.parse("0001-01-01T00:00:00Z");
const lastDate = Date.parse("9999-12-31T23:59:59Z");

export async function readCommitLog(
  git: GitSource,
  range: readonly string[],
  { limit, signal }: { readonly limit: number; readonly signal: AbortSignal | undefined },
): Promise<GitCommit[]> {
  // No character is safe from standing in a name or subject, NUL included; this can't be foreseen.
  const mark = randomUUID();
  // git itself cuts what is long, by the columns that it takes: some characters take none.
  const cut = `%<(${String(longestText)},trunc)`;
  const chunks: Buffer[] = [];
  let room = mostBytes;
  await git.run({
    arguments: [
      "log",
      "--reverse",
      `--max-count=${String(limit)}`,
      "--encoding=UTF-8",
      "--no-show-signature",
      // Seconds since 1970, which no time zone can spoil.
      `--format=%H${mark}%ct${mark}${cut}%an${mark}${cut}%s${mark}`,
      ...range,
      "--",
    ],
    signal,
    onOutput(chunk) {
      chunks.push(chunk);
      room -= chunk.length;
      return room > 0;
    },
  });
  const fields = Buffer.concat(chunks).toString("utf8").split(mark);
  const commits: GitCommit[] = [];
  for (let index = 0; index + 4 < fields.length; index += 4) {
    const [id = "", seconds = "", authorName = "", subject = ""] = fields.slice(index);
    commits.push({
      // Behind the line break that ends the commit before.
      id: id.trim(),
      subject: shorten(subject),
      authorName: shorten(authorName),
      committedAt: toDate(seconds),
    });
  }
  return commits;
}

/** Without what git filled it up with. */
function shorten(text: string): string {
  return text.trimEnd().slice(0, longestText).toWellFormed();
}

/** A date that git can't read is told as 1970. */
function toDate(seconds: string): Date {
  const milliseconds = /^-?\d+$/.test(seconds) ? Number(seconds) * 1000 : 0;
  return new Date(Math.min(Math.max(milliseconds, firstDate), lastDate));
}
