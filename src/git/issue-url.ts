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
  const parsed = URL.parse(url);
  if (parsed === null || !["http:", "https:"].includes(parsed.protocol)) return undefined;
  const [owner, name, ...rest] = parsed.pathname.split("/").filter((part) => part !== "");
  if (owner === undefined || name === undefined) return undefined;
  const bare = name.replace(/\.git$/, "");
  if (![owner, bare].every((part) => /^[\w.][\w.-]*$/.test(part) && !/^\.+$/.test(part))) {
    return undefined;
  }
  const [kind = "", digits = ""] = rest[0] === "-" ? rest.slice(1) : rest;
  if (!kinds.has(kind)) return undefined;
  return /^\d{1,15}$/.test(digits)
    ? { owner, name: bare, number: Number(digits) }
    : { owner, name: bare };
}
