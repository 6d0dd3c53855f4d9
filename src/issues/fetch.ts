// The only place that asks the hosts of issues. The token of a host goes to that host alone.
import type { IssueHost } from "../config.ts";
import { IssueFault } from "./fault.ts";
import { gitea, gitHub } from "./github.ts";
import { gitLab } from "./gitlab.ts";
import type { HostKind } from "./host.ts";
import type { Issue } from "./issue.ts";
import { createTransport } from "./transport.ts";
import { findIssue, parseHttpUrl } from "./url.ts";

const kinds: Readonly<Record<IssueHost["kind"], HostKind>> = {
  github: gitHub,
  gitlab: gitLab,
  gitea,
};

/** For all requests of one issue, their waits and tries included. */
const defaultTimeoutMs = 10_000;

export interface FetchIssueOptions {
  readonly signal: AbortSignal;
  readonly timeoutMs?: number;
}

export type FetchedIssue =
  | { readonly issue: Issue }
  /** Why there is none, fit to show to a person and to an agent. */
  | { readonly reason: string };

/**
 * Reads an issue, pull request or merge request by its address, where its host is known and a token is set.
 * @throws the signal's reason; nothing else for what can be expected
 */
export async function fetchIssue(
  url: string,
  hosts: readonly IssueHost[],
  { signal, timeoutMs = defaultTimeoutMs }: FetchIssueOptions,
): Promise<FetchedIssue> {
  const parsed = parseHttpUrl(url);
  if (parsed === undefined) return { reason: "it is no http address" };
  const host = hosts.find((known) => new URL(known.url).host === parsed.host);
  if (host === undefined) {
    return {
      reason: `${parsed.host} is none of the hosts that are known (GITHUB_URL, GITLAB_URL and GITEA_URL name them)`,
    };
  }
  const address = findIssue(parsed, new URL(host.url));
  if (address === undefined) return { reason: `it is no address of an issue on ${parsed.host}` };
  if (host.token === undefined) {
    return { reason: `no token is set for ${parsed.host} (${host.tokenName})` };
  }

  const kind = kinds[host.kind];
  const timeout = AbortSignal.timeout(timeoutMs);
  const transport = createTransport({
    api: kind.api(new URL(host.url)),
    token: host.token,
    signal: AbortSignal.any([signal, timeout]),
  });
  try {
    return { issue: await kind.read(transport, address) };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof IssueFault) return { reason: error.message };
    if (!timeout.aborted) throw error;
    return { reason: `${parsed.host} did not answer within ${String(timeoutMs / 1000)} s` };
  }
}
