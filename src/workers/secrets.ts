// All that the server must keep to itself, of which a worker of the same user can reach what it looks for.
import { existsSync } from "node:fs";
import { networkVariables, proxyCredentials } from "../network-variables.ts";
import { createRedactor, createWholeRedactor, shortestSecret, type Redactor } from "./redact.ts";

export type Redact = (text: string) => string;

export interface Secrets {
  /** For a text that comes in one piece. */
  readonly redact: Redact;
  /** For a text that comes in pieces. */
  createRedactor(): Redactor;
  /** What became known since the start, such as a clone's credentials. */
  add(values: readonly string[]): void;
  /** The settings whose values are too short to be looked for. */
  readonly tooShort: readonly string[];
}

type Environment = Readonly<Record<string, string | undefined>>;

interface Secret {
  /** The setting's. */
  readonly name: string;
  readonly value: string;
}

/** @param own secrets that stand in no setting, such as a token that was made at the first start */
export function createSecrets(environment: Environment, own: readonly Secret[]): Secrets {
  const named = Object.entries(environment).flatMap(([name, value = ""]) =>
    secretsIn(name, value).map((secret) => ({ name, value: secret })),
  );
  const inOwn = own.flatMap(({ name, value }) =>
    [value, ...inUrl(value)].map((secret) => ({ name, value: secret })),
  );
  const all = [...named, ...inOwn];
  let list = unique([...all.map(({ value }) => value), ...proxyCredentials(environment)]);
  let redact = createWholeRedactor(list);
  return {
    redact: (text) => redact(text),
    createRedactor: () => createRedactor(list),
    add(values) {
      if (values.every((value) => list.includes(value))) return;
      list = unique([...list, ...values.flatMap((value) => [value, decode(value)])]);
      redact = createWholeRedactor(list);
    },
    tooShort: unique(
      all.filter(({ value }) => isTooShort(value)).map(({ name }) => name),
    ).toSorted(),
  };
}

function isTooShort(value: string): boolean {
  return value !== "" && value.length < shortestSecret;
}

function unique(values: readonly string[]): readonly string[] {
  return [...new Set(values)];
}

const secretName =
  /(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|(?:^|_)(?:PAT|PASS|PWD|AUTH))S?(?:_|\d|$)/i;
/** Shells keep the working directory there. */
const folders = new Set(["PWD", "OLDPWD"]);

function secretsIn(name: string, value: string): string[] {
  if (value === "" || folders.has(name)) return [];
  if (/^OTEL_EXPORTER_OTLP_(?:\w+_)?HEADERS$/.test(name)) return inHeaders(value);
  const isProxy = networkVariables.includes(name) && /_proxy$/i.test(name) && !/^no_/i.test(name);
  const credentials = isProxy ? proxyCredentials({ [name]: value }) : inUrl(value);
  // Where a key is, rather than the key.
  const isPath = value.startsWith("/") && existsSync(value);
  return secretName.test(name) && !isPath ? [value, ...credentials] : credentials;
}

/** As OpenTelemetry writes them: name=value, with commas between. The scheme before a credential is left out too. */
function inHeaders(list: string): string[] {
  return list.split(",").flatMap((pair) => {
    const written = pair.slice(pair.indexOf("=") + 1).trim();
    const value = decode(written);
    return [written, value, value.replace(/^\w+\s+/, "")];
  });
}

/** The password, or the user where there is none, and what its query holds. */
function inUrl(value: string): string[] {
  const users = [...value.matchAll(/:\/\/([^/@\s:]*)(?::([^/@\s]*))?@/g)].map(
    ([, user = "", password]) => (password === undefined || password === "" ? user : password),
  );
  const query = [...value.matchAll(/[?&](?:ssl)?(?:password|token|key|secret)=([^&#\s]+)/gi)].map(
    ([, part = ""]) => part,
  );
  return [...users, ...query].flatMap((part) => [part, decode(part)]);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    // It holds a % of its own.
    if (error instanceof URIError) return text;
    throw error;
  }
}

/** Others refer to what stands there. */
const references = new Set(["id", "answer", "type", "role", "channel", "toolCallStatus"]);

/** Every string within it, however deep. */
export function redactAll<Value>(redact: Redact, value: Value): Value {
  // Each is replaced by one of its own type.
  return redactWithin(redact, value) as Value;
}

function redactWithin(redact: Redact, value: unknown): unknown {
  if (typeof value === "string") return redact(value);
  if (Array.isArray(value)) return value.map((part) => redactWithin(redact, part));
  if (typeof value !== "object" || value === null || value instanceof Date) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, part]) => [
      name,
      references.has(name) ? part : redactWithin(redact, part),
    ]),
  );
}
