// An issue as text for an agent, within bounds and with what was left out told.
import type { Issue, IssueComment } from "./issue.ts";

export interface Bounds {
  /** Bytes of the whole text; half of it at least is the body's. */
  readonly total: number;
}

const longestTitle = 1024;
const longestBody = 64 * 1024;
const longestComment = 32 * 1024;
const mostLabels = 50;
const longestLabel = 100;
/** Room for the lines that say what was left out. */
const longestNotes = 512;

/** The latest comments are kept first: they say where things stand. */
export function describeIssue(issue: Issue, { total }: Bounds): string {
  const labels = issue.labels
    .slice(0, mostLabels)
    .map((label) => cut(oneLine(label), longestLabel));
  const head = [
    `Title: ${cut(oneLine(issue.title), longestTitle)}`,
    `State: ${cut(oneLine(issue.state), longestLabel)}`,
    ...(labels.length === 0 ? [] : [`Labels: ${labels.join(", ")}`]),
  ].join("\n");
  let room = total - bytes(head) - longestNotes;
  const body = cut(clean(issue.body).trim(), Math.max(0, Math.min(longestBody, room)));
  room -= bytes(body);

  const kept: string[] = [];
  for (const comment of issue.comments.toReversed()) {
    const text = describeComment(comment);
    room -= bytes(text) + 2;
    if (room < 0) break;
    kept.unshift(text);
  }
  const left = issue.comments.length - kept.length + issue.earlierComments;
  return [
    head,
    body === "" ? "(no description)" : body,
    ...(issue.commentsFault === undefined
      ? []
      : [`[its comments could not be read: ${cut(oneLine(issue.commentsFault), 300)}]`]),
    ...(left === 0 ? [] : [`[${String(left)} earlier comments left out]`]),
    ...kept,
  ].join("\n\n");
}

function describeComment({ author, at, body }: IssueComment): string {
  const who = cut(oneLine(author), longestLabel) || "somebody";
  return `Comment by ${who}, ${cut(oneLine(at), longestLabel)}:\n${cut(clean(body).trim(), longestComment)}`;
}

/** Valid Unicode without control characters, which neither an argument nor the event log takes. */
function clean(text: string): string {
  return (
    text
      .toWellFormed()
      .replaceAll("\r\n", "\n")
      // eslint-disable-next-line no-control-regex -- finding control characters is the purpose
      .replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f]/g, " ")
  );
}

function oneLine(text: string): string {
  return clean(text).replaceAll(/\s+/g, " ").trim();
}

/** Ends at a whole character, with a marker, which counts too. */
function cut(text: string, most: number): string {
  const length = bytes(text);
  if (length <= most) return text;
  const marker = ` [cut: ${String(length)} bytes in all]`;
  const kept = Buffer.from(text).subarray(0, Math.max(0, most - marker.length));
  // The bytes of a character that was cut in two, at most three, become one replacement character.
  return kept.toString("utf8").replace(/\ufffd$/, "") + marker;
}

function bytes(text: string): number {
  return Buffer.byteLength(text);
}
