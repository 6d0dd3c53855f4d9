// GitHub's REST API, and Gitea's and Forgejo's, which answers in the same shapes.
import { z } from "zod";
import { IssueFault } from "./fault.ts";
import { orWithout, parse, textOrNull, type HostKind } from "./host.ts";
import { mostComments, type Comments, type Issue } from "./issue.ts";
import type { Transport } from "./transport.ts";
import type { IssueAddress } from "./url.ts";

/** null: an account that was deleted. */
const user = z.object({ login: z.string() }).nullish();

const issueSchema = z.object({
  title: z.string(),
  body: textOrNull,
  state: z.string(),
  labels: z
    .array(z.union([z.string(), z.object({ name: textOrNull })]))
    .nullish()
    .transform((labels) =>
      (labels ?? []).map((label) => (typeof label === "string" ? label : label.name)),
    ),
  comments: z.number().int().min(0),
});

const commentsSchema = z.array(
  z
    .object({ user, created_at: z.string(), body: textOrNull })
    .transform(({ user: author, created_at: at, body }) => ({
      author: author?.login ?? "",
      at,
      body,
    })),
);

type ReadComments = (transport: Transport, issue: string, count: number) => Promise<Comments>;

async function read(
  transport: Transport,
  { path, number }: IssueAddress,
  headers: Readonly<Record<string, string>>,
  readComments: ReadComments,
): Promise<Issue> {
  const [owner, name, ...others] = path;
  if (owner === undefined || name === undefined || others.length > 0) {
    throw new IssueFault("its address has no owner and name before the issue");
  }
  // Pull requests are issues too, under the same number.
  const at = `/repos/${encodeURIComponent(owner)}/${encodeURIComponent(name)}/issues/${String(number)}`;
  const { comments: count, ...issue } = parse(issueSchema, await transport.get(at, headers));
  if (count === 0) return { ...issue, comments: [], earlierComments: 0 };
  const comments = await orWithout<Comments & Pick<Issue, "commentsFault">>(
    readComments(transport, at, count),
    (commentsFault) => ({ comments: [], earlierComments: 0, commentsFault }),
  );
  return { ...issue, ...comments };
}

const gitHubHeaders = {
  accept: "application/vnd.github+json",
  "x-github-api-version": "2022-11-28",
  // Without one GitHub refuses. Source: its REST documentation, "Getting started".
  "user-agent": "factory",
};

/** Oldest first is the one order that there is: the latest stand on the last page and the one before. */
async function readLastPages(
  transport: Transport,
  issue: string,
  count: number,
): Promise<Comments> {
  const page = async (number: number) =>
    parse(
      commentsSchema,
      await transport.get(
        `${issue}/comments?per_page=${String(mostComments)}&page=${String(number)}`,
        gitHubHeaders,
      ),
    );
  const lastPage = Math.ceil(count / mostComments);
  const last = await page(lastPage);
  const before = lastPage > 1 && last.length < mostComments ? await page(lastPage - 1) : [];
  const comments = [...before, ...last].slice(-mostComments);
  return { comments, earlierComments: Math.max(0, count - comments.length) };
}

export const gitHub: HostKind = {
  label: "GitHub",
  api(url) {
    if (url.hostname === "github.com") return "https://api.github.com";
    // Source: GitHub Enterprise Cloud with data residency, and GitHub Enterprise Server, "REST API".
    if (url.hostname.endsWith(".ghe.com")) return `https://api.${url.host}`;
    return `${url.origin}/api/v3`;
  },
  read: (transport, address) => read(transport, address, gitHubHeaders, readLastPages),
};

/** All of an issue's comments come in one answer, without pages. */
async function readAll(transport: Transport, issue: string): Promise<Comments> {
  const all = parse(commentsSchema, await transport.get(`${issue}/comments`));
  const comments = all.slice(-mostComments);
  return { comments, earlierComments: all.length - comments.length };
}

export const gitea: HostKind = {
  label: "Gitea",
  api: (url) => `${url.href.replace(/\/$/, "")}/api/v1`,
  read: (transport, address) => read(transport, address, {}, readAll),
};
