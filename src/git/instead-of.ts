// Where a worker's git is led in place of the remote.
import { quoteValue } from "./control.ts";

/** What is behind the remote's own address: "", ".git", "/info/refs"; of another repository "-other/info/refs". */
export interface RemoteAddresses {
  /** Without a final slash or `.git`: those by which people, configurations and tools name the remote. */
  readonly all: readonly string[];
  /** Over HTTP, where it can be reached by it. */
  readonly http: string | undefined;
}

/** `url` as RemoteUrl has it. The usual hosts take a repository's https and ssh addresses alike. */
export function addressesOf(url: string): RemoteAddresses {
  const own = url.replace(/\/+$/, "").replace(/\.git$/, "");
  const [, user, host, path] =
    /^(?:https?:\/\/|ssh:\/\/)(?:([^@/]+)@)?([^/:]+)\/([^/~].*)$/.exec(own) ??
    /^(?:([^@/:]+)@)?([^/:]+):([^/~].*)$/.exec(own) ??
    [];
  const isHttp = /^https?:\/\//.test(own);
  // With a port, the other protocol's is not known.
  if (host === undefined || path === undefined) {
    return { all: [own], http: isHttp ? own : undefined };
  }
  const https = `https://${host}/${path}`;
  const ssh = `${user ?? "git"}@${host}`;
  const all = new Set([own, https, `ssh://${ssh}/${path}`, `${ssh}:${path}`]);
  return { all: [...all], http: isHttp ? own : https };
}

/** git's configuration by which it asks at `place` for all that it would ask the remote (git-config(1), url.insteadOf). */
export function composeInsteadOf({ all }: RemoteAddresses, place: string): string {
  const lines = all.map((address) => `\tinsteadOf = ${quoteValue(address)}\n`);
  return `[url ${quoteValue(place)}]\n${lines.join("")}`;
}
