// Where a repository is cloned from. Nothing that git could take for an option, a command or another
// transport than those that are allowed gets past this file.
import { FactoryError } from "../errors.ts";

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

export type RemoteProtocol = "https" | "ssh" | "http" | "file";

export interface RemoteUrl {
  /** Without credentials. An ssh url keeps its user, which is part of the address there. */
  readonly url: string;
  readonly protocol: RemoteProtocol;
  /** In lower case, with the port where one is given; localhost for a file url. Fit for a folder's name. */
  readonly host: string;
  readonly credentials?: Credentials;
}

const known = new Set(["https", "ssh", "http", "file"]);
const longestUrl = 2048;
const hostName = /^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])$/;
/** Path and user hold nothing that a shell on the other side of ssh could read as more than text. */
const sshPath = /^[\w.~/][\w.~/+@%-]*$/;
const sshUser = /^\w[\w.-]*$/;

/** @param protocols names of the transports that a url may use. @throws FactoryError BAD_INPUT */
export function parseRemoteUrl(text: string, protocols: readonly string[]): RemoteUrl {
  if (text === "") refuse("is empty", protocols);
  if (text.length > longestUrl) refuse(`is longer than ${longestUrl} characters`, protocols);
  // The rest of the url isn't shown in any message, since it may hold a password.
  if (!/^[\u0021-\u007e]+$/.test(text)) {
    refuse(
      "holds a space, a line break or another character that must be percent-encoded",
      protocols,
    );
  }
  if (text.startsWith("-")) refuse("begins with a hyphen", protocols);
  if (/^[a-z0-9+.-]*::/i.test(text))
    refuse("names a transport helper, which may run any command", protocols);
  const remote = text.includes("://") ? parseUrl(text, protocols) : parseScpLike(text, protocols);
  if (!protocols.includes(remote.protocol)) {
    refuse(`uses ${remote.protocol}, which isn't allowed here`, protocols);
  }
  return remote;
}

/** Whether both, as RemoteUrl has them, name one remote: hosts take a final slash or .git, or none, and more slashes. */
export function isSameRemote(one: string, other: string): boolean {
  return withoutVariants(one) === withoutVariants(other);
}

function withoutVariants(url: string): string {
  return url
    .replace(/^(ssh:\/\/[^/]*):22(?=\/)/, "$1")
    .replaceAll(/(?<!^[a-z]+:)\/{2,}/g, "/")
    .replace(/\/+$/, "")
    .replace(/\.git$/, "")
    .replace(/\/+$/, "");
}

/** The text with whatever may be a user or password in its urls replaced. */
export function redactUrl(text: string): string {
  return text.replace(/\b([a-z][a-z0-9+.-]*:\/\/)[^\s/?#@'"]*(?:@[^\s/?#@'"]*)*@/gi, "$1***@");
}

function parseUrl(text: string, protocols: readonly string[]): RemoteUrl {
  // URL would take the first part of the path of https:///a/b for its host.
  const parsed = /^(?:file:\/\/\/|[a-z]+:\/\/[^/])/i.test(text) ? URL.parse(text) : null;
  if (parsed === null) refuse("can't be read as a url", protocols);
  const protocol = parsed.protocol.slice(0, -1);
  if (!isKnown(protocol)) refuse(`uses ${protocol}, which isn't known`, protocols);
  if (parsed.search !== "" || parsed.hash !== "") refuse("holds a ? or #", protocols);
  if (protocol === "file") return parseFile(parsed, protocols);
  // Node reads ssh as an opaque scheme and keeps the host's case.
  const hostname = parsed.hostname.toLowerCase();
  checkHost(hostname, protocols);
  const host = parsed.port === "" ? hostname : `${hostname}:${parsed.port}`;
  if (parsed.pathname.length < 2) refuse("names no repository", protocols);
  decode(parsed.pathname, "path", protocols);
  return protocol === "ssh"
    ? parseSsh(parsed, host, protocols)
    : {
        url: `${protocol}://${host}${parsed.pathname}`,
        protocol,
        host,
        ...readCredentials(parsed, protocols),
      };
}

function parseSsh(parsed: URL, host: string, protocols: readonly string[]): RemoteUrl {
  if (parsed.password !== "") refuse("gives ssh a password: use a key", protocols);
  if (parsed.username !== "" && !sshUser.test(parsed.username))
    refuse("has a malformed user", protocols);
  // git decodes it before ssh gets it.
  if (!sshPath.test(decode(parsed.pathname, "path", protocols)))
    refuse("has a malformed path", protocols);
  const user = parsed.username === "" ? "" : `${parsed.username}@`;
  return { url: `ssh://${user}${host}${parsed.pathname}`, protocol: "ssh", host };
}

/** user@host:owner/name.git, as git-clone(1) has it. */
function parseScpLike(text: string, protocols: readonly string[]): RemoteUrl {
  const match = /^(?:([^@:/]+)@)?(\[[^\]]+\]|[^:/@[]+):(.+)$/.exec(text);
  if (match === null) refuse("is neither a url nor user@host:path", protocols);
  const [, user, hostText = "", path = ""] = match;
  const host = hostText.toLowerCase();
  checkHost(host, protocols);
  if (user !== undefined && !sshUser.test(user)) refuse("has a malformed user", protocols);
  if (!sshPath.test(path)) refuse("has a malformed path", protocols);
  return { url: `${user === undefined ? "" : `${user}@`}${host}:${path}`, protocol: "ssh", host };
}

function parseFile(parsed: URL, protocols: readonly string[]): RemoteUrl {
  if (parsed.pathname.length < 2) refuse("names no repository", protocols);
  return { url: `file://${parsed.pathname}`, protocol: "file", host: "localhost" };
}

function checkHost(host: string, protocols: readonly string[]): void {
  if (!hostName.test(host) || host.includes("..")) refuse("has a malformed host", protocols);
}

function readCredentials(parsed: URL, protocols: readonly string[]): { credentials?: Credentials } {
  if (parsed.username === "" && parsed.password === "") return {};
  const credentials = {
    username: decode(parsed.username, "user or password", protocols),
    password: decode(parsed.password, "user or password", protocols),
  };
  return { credentials };
}

function decode(text: string, what: string, protocols: readonly string[]): string {
  let decoded: string;
  try {
    decoded = decodeURIComponent(text);
  } catch {
    refuse(`has a ${what} that isn't valid percent-encoding`, protocols);
  }
  // git's credential protocol ends a value at a line break (git-credential(1)).
  // eslint-disable-next-line no-control-regex -- finding control characters is the purpose
  if (/[\u0000-\u001f\u007f]/.test(decoded)) {
    refuse(`has a control character in its ${what}`, protocols);
  }
  return decoded;
}

function isKnown(protocol: string): protocol is RemoteProtocol {
  return known.has(protocol);
}

function refuse(fault: string, protocols: readonly string[]): never {
  const allowed = protocols.map((name) => `${name}://…`).join(", ");
  const also = protocols.includes("ssh") ? " or git@host:owner/name.git" : "";
  throw new FactoryError("BAD_INPUT", `url ${fault}; it may be ${allowed}${also}`, {
    facts: { field: "url" },
  });
}
