// Which hosts a worker may reach, as people write it: FACTORY_NETWORK, and what a dispatch adds.
import { isIP } from "node:net";

/** One entry of a list of hosts. */
export interface HostPattern {
  /** In lower case, a name in its ASCII form, or an address without brackets. */
  readonly host: string;
  /** Every name below `host`, at any depth, and not `host` itself. */
  readonly isWildcard: boolean;
  /** undefined: 80 and 443. */
  readonly port: number | "any" | undefined;
}

export interface NetworkRules {
  /** LIST: the hosts below and those built in. OPEN: every host of the internet. NONE: the hosts below alone. */
  readonly mode: "LIST" | "OPEN" | "NONE";
  readonly hosts: readonly HostPattern[];
}

/** What isn't said is closed. */
export const defaultRules: NetworkRules = { mode: "LIST", hosts: [] };

export const networkRulesHelp =
  "must be OPEN, NONE or a list of hosts separated by commas, such as example.com, *.example.com, git.example.com:8443 or 10.0.0.5:* (without a port: 80 and 443)";

/** As people write it; `parseNetworkRules` reads it. */
export function writeNetworkRules({ mode, hosts }: NetworkRules): string {
  return [...(mode === "LIST" ? [] : [mode]), ...hosts.map(writeHostPattern)].join(",");
}

/** What `writeNetworkRules` has written and was stored; null: nothing is listed. */
export function readStoredRules(text: string | null): NetworkRules {
  const rules = text === null ? defaultRules : parseNetworkRules(text);
  if (typeof rules === "string") throw new Error(`a stored list of hosts: ${rules}`);
  return rules;
}

export function writeHostPattern({ host, isWildcard, port }: HostPattern): string {
  const name = host.includes(":") ? `[${host}]` : host;
  const ports = port === undefined ? "" : `:${port === "any" ? "*" : String(port)}`;
  return `${isWildcard ? "*." : ""}${name}${ports}`;
}

/**
 * What holds where several have a say, the widest first (the server, the repository, the session): a list adds to
 * those before it, NONE replaces them, OPEN opens what they have left out.
 */
export function joinNetworkRules(all: readonly NetworkRules[]): NetworkRules {
  return all.reduce((before, { mode, hosts }) =>
    mode === "NONE"
      ? { mode, hosts }
      : { mode: mode === "OPEN" ? mode : before.mode, hosts: [...before.hosts, ...hosts] },
  );
}

/** More entries than this are no list that anybody keeps. */
const maxHosts = 500;

/**
 * `OPEN` and `NONE` may stand before a list: `OPEN,intranet.example:8443`, `NONE,api.example.com`.
 * @returns the rules, or what is wrong, as a sentence that goes on from the setting's name
 */
export function parseNetworkRules(text: string): NetworkRules | string {
  const entries = text
    .split(/[\s,]+/)
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
  const modes = entries.filter((entry) => entry === "OPEN" || entry === "NONE");
  if (modes.length > 1) return `names ${modes.join(" and ")}: one of them is enough`;
  const hosts: HostPattern[] = [];
  for (const entry of entries) {
    if (entry === "OPEN" || entry === "NONE") continue;
    const parsed = parseHostPattern(entry);
    if (typeof parsed === "string") return parsed;
    hosts.push(parsed);
  }
  if (hosts.length > maxHosts) return `may hold ${String(maxHosts)} hosts at most`;
  const [mode] = modes;
  return { mode: mode === undefined ? "LIST" : mode === "OPEN" ? "OPEN" : "NONE", hosts };
}

/** @returns the pattern, or what is wrong with it */
export function parseHostPattern(text: string): HostPattern | string {
  const shown = JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
  const refuse = (why: string) => `${networkRulesHelp}: ${shown} ${why}`;
  if (text === "*") return refuse("is every host: write OPEN");
  if (/^(open|none)$/i.test(text)) return refuse("is written in capitals");
  if (text.includes("//") || text.includes("/"))
    return refuse("is an address of a page or a block");
  const isWildcard = text.startsWith("*.");
  const rest = isWildcard ? text.slice(2) : text;
  const match = /^(\[[^\]]*\]|[^:[\]]*)(?::([^:]*))?$/.exec(rest);
  if (match === null) {
    return refuse(isIP(rest) === 6 ? `is written [${rest}]` : "is no host");
  }
  const [, name = "", portText] = match;
  const host = normalizeHost(name);
  if (host === undefined || host.includes("*")) return refuse("is no host");
  if (isWildcard && isIP(host) !== 0) return refuse("has a * before an address");
  if (portText === undefined) return { host, isWildcard, port: undefined };
  if (portText === "*") return { host, isWildcard, port: "any" };
  const port = Number(portText);
  if (!/^\d{1,5}$/.test(portText) || port < 1 || port > 65_535) {
    return refuse("has a port that is none: from 1 to 65535, or *");
  }
  return { host, isWildcard, port };
}

/**
 * The one spelling of a host: names in lower case and ASCII, without a dot at the end; IPv4 in four numbers, whatever
 * it was written as (0x7f.1, 2130706433); IPv6 without brackets, shortened.
 * @returns undefined where it is no host
 */
export function normalizeHost(text: string): string | undefined {
  const bracketed = text.includes(":") && !text.startsWith("[") ? `[${text}]` : text;
  // What a URL takes for something else than the host.
  if (text === "" || /[\s/?#@\\%]/.test(text)) return undefined;
  const parsed = URL.parse(`http://${bracketed}/`);
  if (parsed?.port !== "" || parsed.hostname === "") return undefined;
  const host = parsed.hostname.replace(/\.$/, "").replace(/^\[(.*)\]$/, "$1");
  return host === "" || host.length > 253 ? undefined : host;
}

const webPorts = [80, 443];

/** `host` as from `normalizeHost`. */
export function matchesHost(pattern: HostPattern, host: string, port: number): boolean {
  const isPort =
    pattern.port === "any" ||
    (pattern.port === undefined ? webPorts.includes(port) : pattern.port === port);
  if (!isPort) return false;
  return pattern.isWildcard ? host.endsWith(`.${pattern.host}`) : host === pattern.host;
}
