import { z } from "zod";
import { orWithout, parse, textOrNull, type HostKind } from "./host.ts";
import { mostComments, type Comments, type Issue, type IssueComment } from "./issue.ts";
import type { Transport } from "./transport.ts";

const issueSchema = z.object({
  title: z.string(),
  description: textOrNull,
  state: z.string(),
  labels: z
    .array(z.string())
    .nullish()
    .transform((labels) => labels ?? []),
  user_notes_count: z.number().int().min(0),
});

const notesSchema = z.array(
  z.object({
    author: z.object({ username: z.string() }).nullish(),
    created_at: z.string(),
    body: textOrNull,
    /** What GitLab itself notes down, such as a change of a label. */
    system: z.boolean(),
  }),
);

const pageSize = 100;
/** So many pages that hold almost nothing but GitLab's own notes are enough. */
const mostPages = 5;

async function readLatest(transport: Transport, issue: string, count: number): Promise<Comments> {
  const latest: IssueComment[] = [];
  for (let page = 1; page <= mostPages && latest.length < mostComments; page += 1) {
    const query = `sort=desc&order_by=created_at&per_page=${String(pageSize)}&page=${String(page)}`;
    const notes = parse(notesSchema, await transport.get(`${issue}/notes?${query}`));
    for (const { author, created_at: at, body, system } of notes) {
      if (!system) latest.push({ author: author?.username ?? "", at, body });
    }
    if (notes.length < pageSize) break;
  }
  const comments = latest.slice(0, mostComments).reverse();
  return { comments, earlierComments: Math.max(0, count - comments.length) };
}

export const gitLab: HostKind = {
  label: "GitLab",
  api: (url) => `${url.href.replace(/\/$/, "")}/api/v4`,
  async read(transport, { path, number, isMergeRequest }) {
    const kind = isMergeRequest ? "merge_requests" : "issues";
    const at = `/projects/${encodeURIComponent(path.join("/"))}/${kind}/${String(number)}`;
    const answer = parse(issueSchema, await transport.get(at));
    const { description: body, user_notes_count: count, ...issue } = answer;
    if (count === 0) return { ...issue, body, comments: [], earlierComments: 0 };
    const comments = await orWithout<Comments & Pick<Issue, "commentsFault">>(
      readLatest(transport, at, count),
      (commentsFault) => ({ comments: [], earlierComments: 0, commentsFault }),
    );
    return { ...issue, body, ...comments };
  },
};
