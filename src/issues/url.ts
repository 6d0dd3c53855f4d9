export interface IssueReference {
  readonly owner: string;
  readonly name: string;
  /** The issue's, pull request's or merge request's number. */
  readonly number?: number;
}

/** As GitHub, Gitea and Forgejo write them; GitLab puts `/-/` before. */
const kinds = new Set(["issues", "pull", "pulls", "merge_requests", "work_items"]);

/** undefined where the text is no address of an issue, or has nested groups. */
export function repositoryFromIssueUrl(url: string): IssueReference | undefined {
  const parsed = parseHttpUrl(url);
  if (parsed === undefined) return undefined;
  const [owner, name, ...rest] = segmentsOf(parsed);
  if (owner === undefined || name === undefined) return undefined;
  const bare = name.replace(/\.git$/, "");
  if (![owner, bare].every(isPlainSegment)) return undefined;
  const [kind = "", digits = ""] = rest[0] === "-" ? rest.slice(1) : rest;
  if (!kinds.has(kind)) return undefined;
  return isNumber(digits) ? { owner, name: bare, number: Number(digits) } : { owner, name: bare };
}

/** One issue on a host whose web pages begin at a known address. */
export interface IssueAddress {
  /** The segments of the repository's path: owner and name, at GitLab also the groups between them. */
  readonly path: readonly string[];
  readonly number: number;
  /** A GitLab merge request has a number of its own; elsewhere pull requests share those of issues. */
  readonly isMergeRequest: boolean;
}

export function parseHttpUrl(url: string): URL | undefined {
  const parsed = URL.parse(url);
  return parsed !== null && ["http:", "https:"].includes(parsed.protocol) ? parsed : undefined;
}

/** @param base where the host's web pages begin. @returns undefined where the url is no issue below it */
export function findIssue(url: URL, base: URL): IssueAddress | undefined {
  // The scheme of the url doesn't matter: it is the configured address that is asked.
  if (url.host !== base.host) return undefined;
  const prefix = segmentsOf(base);
  const all = segmentsOf(url);
  if (prefix.some((segment, index) => all[index] !== segment)) return undefined;
  const segments = all.slice(prefix.length);
  const at = segments.findIndex((segment, index) => index >= 2 && kinds.has(segment));
  const [kind, digits = ""] = segments.slice(at);
  if (at === -1 || kind === undefined || !isNumber(digits)) return undefined;
  const path = segments.slice(0, segments[at - 1] === "-" ? at - 1 : at);
  if (path.length < 2 || !path.every(isPlainSegment)) return undefined;
  return { path, number: Number(digits), isMergeRequest: kind === "merge_requests" };
}

function segmentsOf({ pathname }: URL): string[] {
  return pathname.split("/").filter((segment) => segment !== "");
}

function isPlainSegment(segment: string): boolean {
  return /^[\w.][\w.-]*$/.test(segment) && !/^\.+$/.test(segment);
}

function isNumber(digits: string): boolean {
  return /^\d{1,15}$/.test(digits);
}
