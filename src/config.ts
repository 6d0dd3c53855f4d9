// A server's settings: everything is parsed and checked once, at start. What the command's client side reads of the
// environment is in client-config.ts; nothing else reads process.env.
import { existsSync, readFileSync } from "node:fs";
import type { BlockList } from "node:net";
import { availableParallelism, totalmem } from "node:os";
import { delimiter, isAbsolute, join, normalize, resolve } from "node:path";
import { parse as parseDotenv } from "dotenv";
import { z } from "zod";
import { capBounds, type Caps } from "./caps.ts";
import { ConfigError } from "./config-error.ts";
import { findUrlMistake, readableUrl } from "./database-url.ts";
import { homeOf } from "./home-path.ts";
import { defaultRules, parseNetworkRules, type NetworkRules } from "./network-rules.ts";
import { readSecretFiles } from "./secret-files.ts";
import { parseProxies } from "./trusted-proxies.ts";

const loopbackHosts = ["127.0.0.1", "::1", "localhost"];
const transports = ["https", "ssh", "http", "file"] as const;
export type GitProtocol = (typeof transports)[number];
const permissionPolicies = ["ASK", "ALLOW", "DENY"] as const;
/** required: no worker runs without one. auto: used where this machine can. off: never. */
const sandboxModes = ["required", "auto", "off"] as const;
export type SandboxMode = (typeof sandboxModes)[number];

const wholeNumber = (minimum: number, maximum: number) =>
  z
    .string()
    .regex(/^\d+$/, `must be a whole number from ${String(minimum)} to ${String(maximum)}`)
    .transform(Number)
    .refine(
      (value) => value >= minimum && value <= maximum,
      `must be a whole number from ${String(minimum)} to ${String(maximum)}`,
    );

const sizeUnits: Readonly<Record<string, number>> = {
  "": 1,
  K: 2 ** 10,
  M: 2 ** 20,
  G: 2 ** 30,
  T: 2 ** 40,
};
/** In bytes. */
const bytes = (rule: string, least: number) =>
  z
    .string()
    .regex(/^\d+[KMGT]?$/, rule)
    .transform((text) => Number.parseInt(text, 10) * (sizeUnits[text.replace(/^\d+/, "")] ?? 1))
    .refine((value) => value >= least && Number.isSafeInteger(value), rule);

const size = bytes(
  "must be a number of bytes, 1 or more, such as 500G (K, M, G and T are taken)",
  1,
);
const memory = bytes(
  "must be a number of bytes, 64M or more, such as 4G (K, M, G and T are taken)",
  capBounds.memory.least,
);
const memoryFloor = bytes(
  "must be a number of bytes, or 0 for none, such as 1G (K, M, G and T are taken)",
  0,
);

const cpusRule = "must be a number of processors from 0.1 to 1024, such as 2 or 0.5";
const cpus = z
  .string()
  .regex(/^\d+(\.\d+)?$/, cpusRule)
  .transform(Number)
  .refine((value) => value >= capBounds.cpus.least && value <= capBounds.cpus.most, cpusRule);

const networkRules = z.string().transform((text, context) => {
  const rules = parseNetworkRules(text);
  if (typeof rules !== "string") return rules;
  context.addIssue({ code: "custom", message: rules });
  return z.NEVER;
});

const webAddress = z.url({ protocol: /^https?$/, error: "must be an http or https URL" });

/** It goes into a header. */
const headerToken = z
  .string()
  .regex(/^[\x21-\x7e]*$/, "may hold letters, digits and punctuation, and no space");

const listRule = "must be a list of name=value, separated by commas, with other characters as %2C";

/** As OpenTelemetry writes headers and attributes. Source: its environment variable specification. */
const nameValueList = z.string().transform((text, context) => {
  const pairs = text.split(",").filter((part) => part.trim() !== "");
  try {
    return Object.fromEntries(
      pairs.map((pair) => {
        const [, name, value] = /^\s*([^=\s]+)\s*=(.*)$/.exec(pair) ?? [];
        if (name === undefined || value === undefined) throw new URIError(pair);
        return [decodeURIComponent(name), decodeURIComponent(value.trim())] as const;
      }),
    );
  } catch {
    context.addIssue({ code: "custom", message: listRule });
    return z.NEVER;
  }
});

const settings = z.object({
  HOST: z.string().min(1).default("127.0.0.1"),
  PORT: wholeNumber(0, 65_535).default(4000),
  FACTORY_HOME: z.string().min(1).optional(),
  DATABASE_URL: z
    .string()
    .superRefine((value, context) => {
      const message = findUrlMistake(value);
      if (message !== undefined) context.addIssue({ code: "custom", message });
    })
    .transform(readableUrl)
    .optional(),
  FACTORY_TOKEN: z
    .string()
    .min(16, "must have 16 characters or more")
    // It goes into a header behind "Bearer ".
    .regex(/^[\x21-\x7e]*$/, "may hold letters, digits and punctuation, and no space")
    .optional(),
  FACTORY_REMOTE_TEMPLATE: z
    .string()
    .refine(
      (value) => value.includes("{owner}") && value.includes("{name}"),
      "must hold {owner} and {name}",
    )
    .default("https://github.com/{owner}/{name}.git"),
  FACTORY_GIT_PROTOCOLS: z
    .string()
    .transform((value) => value.split(",").map((part) => part.trim()))
    .pipe(z.array(z.enum(transports, `may be any of ${transports.join(", ")}`)).min(1))
    .default(["https", "ssh"]),
  FACTORY_MAX_WORKERS: wholeNumber(1, 10_000).optional(),
  FACTORY_SYNC_MAX_AGE: wholeNumber(0, 86_400).default(0),
  FACTORY_KILL_GRACE: wholeNumber(0, 3600).default(10),
  FACTORY_START_TIMEOUT: wholeNumber(1, 3600).default(60),
  FACTORY_LEASE: wholeNumber(3, 3600).default(30),
  FACTORY_API_URL: webAddress.optional(),
  FACTORY_TRUSTED_PROXIES: z
    .string()
    .transform((text, context) => {
      const proxies = parseProxies(text);
      if (proxies !== undefined) return proxies;
      context.addIssue({
        code: "custom",
        message: "must be a list of addresses or CIDR blocks, such as 127.0.0.1,10.0.0.0/8",
      });
      return z.NEVER;
    })
    .optional(),
  FACTORY_RETENTION_DAYS: wholeNumber(1, 36_500).default(30),
  FACTORY_DISK_BUDGET: size.optional(),
  FACTORY_AGENTS: z.string().min(1).optional(),
  FACTORY_PERMISSIONS: z
    .enum(permissionPolicies, `may be ${permissionPolicies.join(", ")}`)
    .default("ALLOW"),
  FACTORY_SANDBOX: z.enum(sandboxModes, `may be ${sandboxModes.join(", ")}`).default("auto"),
  FACTORY_SANDBOX_READABLE: z
    .string()
    .transform((text) => text.split(delimiter).filter((file) => file !== ""))
    .refine(
      (files) =>
        files.every((file) => isAbsolute(file) && normalize(file) === file && file !== "/"),
      `must be absolute paths, separated by "${delimiter}", and not /`,
    )
    .default([]),
  FACTORY_NETWORK: networkRules.default(defaultRules),
  FACTORY_WORKER_MEMORY: memory.optional(),
  FACTORY_WORKER_PROCESSES: wholeNumber(
    capBounds.processes.least,
    capBounds.processes.most,
  ).optional(),
  FACTORY_WORKER_CPUS: cpus.optional(),
  FACTORY_MEMORY_FLOOR: memoryFloor.optional(),
  FACTORY_MAX_DEPTH: wholeNumber(0, 100).default(3),
  FACTORY_MAX_CHILDREN: wholeNumber(0, 10_000).default(20),
  GITHUB_URL: webAddress.default("https://github.com"),
  GITHUB_TOKEN: headerToken.optional(),
  GH_TOKEN: headerToken.optional(),
  GITLAB_URL: webAddress.default("https://gitlab.com"),
  GITLAB_TOKEN: headerToken.optional(),
  GITEA_URL: webAddress.default("https://codeberg.org"),
  GITEA_TOKEN: headerToken.optional(),
  OTEL_EXPORTER_OTLP_ENDPOINT: webAddress.optional(),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: webAddress.optional(),
  OTEL_EXPORTER_OTLP_HEADERS: nameValueList.default({}),
  OTEL_EXPORTER_OTLP_TRACES_HEADERS: nameValueList.default({}),
  OTEL_RESOURCE_ATTRIBUTES: nameValueList.default({}),
  OTEL_SERVICE_NAME: z.string().optional(),
  OTEL_SDK_DISABLED: z.string().optional(),
  FACTORY_LOG_LEVEL: z
    .enum(
      ["fatal", "error", "warn", "info", "debug", "trace", "silent"],
      "may be fatal, error, warn, info, debug, trace or silent",
    )
    .default("info"),
  FACTORY_INTROSPECTION: z
    .enum(["on", "off"], "may be on or off")
    .default("on")
    .transform((value) => value === "on"),
});

/** Of the machine's memory. */
const defaultFloor = 0.05;

/** all: answers requests and runs workers. api: answers alone. runner: runs workers alone. */
export const roles = ["all", "api", "runner"] as const;
export type Role = (typeof roles)[number];

/** A host of issues. */
export interface IssueHost {
  readonly kind: "github" | "gitlab" | "gitea";
  /** Where its web pages begin. */
  readonly url: string;
  /** undefined: its issues aren't read. */
  readonly token: string | undefined;
  /** The setting that holds the token. */
  readonly tokenName: string;
}

/** Where the spans of dispatches go. */
export interface TraceSettings {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly serviceName: string;
  /** Further ones, of this server. */
  readonly attributes: Readonly<Record<string, string>>;
}

export interface SandboxSettings {
  readonly mode: SandboxMode;
  /** What workers reach beside what is built in. */
  readonly network: NetworkRules;
  /** Files and folders that workers are shown, where they exist; absolute. */
  readonly readable: readonly string[];
}

export interface Config {
  readonly role: Role;
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  /** Absolute path. */
  readonly home: string;
  /** undefined: the embedded Postgres. */
  readonly databaseUrl: string | undefined;
  /** undefined: the one kept in FACTORY_HOME/token. */
  readonly token: string | undefined;
  /** Where the token stands; undefined: in the setting FACTORY_TOKEN. Absolute path. */
  readonly tokenFile: string | undefined;
  readonly remoteTemplate: string;
  readonly gitProtocols: readonly GitProtocol[];
  readonly maxWorkers: number;
  /** Seconds. */
  readonly syncMaxAge: number;
  /** Seconds. */
  readonly killGrace: number;
  /** Within which an agent must have answered what comes before its first turn, in seconds. */
  readonly startTimeout: number;
  /** Seconds of silence after which this server's runner counts as lost. */
  readonly leaseSeconds: number;
  /** Where workers reach the API; undefined: at this server. */
  readonly apiUrl: string | undefined;
  /** Proxies that are believed in where a request comes from; undefined: none is. */
  readonly trustedProxies: BlockList | undefined;
  /** Days for which events are kept. */
  readonly retentionDays: number;
  /** Bytes that clones and worktrees may take; undefined: no limit. */
  readonly diskBudget: number | undefined;
  readonly agentsFile: string | undefined;
  /** What a worker's permission requests meet where its dispatch doesn't say. */
  readonly permissions: (typeof permissionPolicies)[number];
  /** How workers are locked in. */
  readonly sandbox: SandboxSettings;
  /** What one worker may have. */
  readonly caps: Caps;
  /** Bytes of memory that the machine must have free for a worker to be started; 0: any. */
  readonly memoryFloor: number;
  /** How many workers may stand above a worker; 0: workers dispatch no workers. */
  readonly maxDepth: number;
  /** How many children of one worker may be unended at a time. */
  readonly maxChildren: number;
  /** Where issues are read for agents. */
  readonly issueHosts: readonly IssueHost[];
  /** undefined: nowhere. */
  readonly traces: TraceSettings | undefined;
  readonly logLevel: string;
  readonly introspection: boolean;
  readonly isRoot: boolean;
  /** What workers' and git's environments are picked from; without secrets that stand in files. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** What several servers on one database can't do without. */
const neededBeside = {
  api: ["DATABASE_URL", "FACTORY_TOKEN"],
  runner: ["DATABASE_URL", "FACTORY_TOKEN", "FACTORY_API_URL"],
} as const;

/**
 * Parses the settings from the environment and, below it, the `.env` file of the working directory.
 * @throws ConfigError that lists every mistake.
 */
export function loadConfig(
  environment: Readonly<Record<string, string | undefined>> = process.env,
  dotenvFile = resolve(".env"),
  role: Role = "all",
): Config {
  const file = existsSync(dotenvFile) ? parseDotenv(readFileSync(dotenvFile)) : {};
  const merged: Record<string, string | undefined> = { ...file, ...environment };
  // An empty variable is an unset one: that is how compose files and CI leave a setting out.
  const set = Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== ""));
  const files = readSecretFiles(set);
  if (files.mistakes.length > 0) throw new ConfigError(files.mistakes.join("\n"));
  const given: Record<string, string | undefined> = { ...set, ...files.secrets };
  const parsed = settings.safeParse(given);
  const mistakes = parsed.success
    ? []
    : parsed.error.issues.map((issue) => `${String(issue.path[0])} ${issue.message}`);
  const host = given["HOST"] ?? "127.0.0.1";
  if (!loopbackHosts.includes(host) && given["FACTORY_TOKEN"] === undefined) {
    mistakes.push(
      `HOST is ${host}, which other machines may reach: set FACTORY_TOKEN to a secret of your own`,
    );
  }
  if (role !== "all") {
    for (const name of neededBeside[role]) {
      if (given[name] === undefined) mistakes.push(`${name} must be set for --role ${role}`);
    }
  }
  if (!parsed.success || mistakes.length > 0) throw new ConfigError(mistakes.join("\n"));

  const values = parsed.data;
  const isRoot = process.getuid?.() === 0;
  const home = homeOf(values.FACTORY_HOME);
  const covering = values.FACTORY_SANDBOX_READABLE.find((file) =>
    `${home}/`.startsWith(`${file}/`),
  );
  if (covering !== undefined) {
    throw new ConfigError(
      `FACTORY_SANDBOX_READABLE names ${covering}, which holds FACTORY_HOME: name what workers need of it`,
    );
  }
  return {
    role,
    host: values.HOST,
    port: values.PORT,
    home,
    databaseUrl: values.DATABASE_URL,
    token: values.FACTORY_TOKEN,
    tokenFile:
      set["FACTORY_TOKEN"] === undefined
        ? resolve(set["FACTORY_TOKEN_FILE"] ?? join(home, "token"))
        : undefined,
    remoteTemplate: values.FACTORY_REMOTE_TEMPLATE,
    gitProtocols: values.FACTORY_GIT_PROTOCOLS,
    maxWorkers: values.FACTORY_MAX_WORKERS ?? availableParallelism() * 2,
    syncMaxAge: values.FACTORY_SYNC_MAX_AGE,
    killGrace: values.FACTORY_KILL_GRACE,
    startTimeout: values.FACTORY_START_TIMEOUT,
    leaseSeconds: values.FACTORY_LEASE,
    apiUrl: values.FACTORY_API_URL,
    trustedProxies: values.FACTORY_TRUSTED_PROXIES,
    retentionDays: values.FACTORY_RETENTION_DAYS,
    diskBudget: values.FACTORY_DISK_BUDGET,
    agentsFile: values.FACTORY_AGENTS === undefined ? undefined : resolve(values.FACTORY_AGENTS),
    permissions: values.FACTORY_PERMISSIONS,
    sandbox: {
      mode: values.FACTORY_SANDBOX,
      network: values.FACTORY_NETWORK,
      readable: values.FACTORY_SANDBOX_READABLE,
    },
    caps: {
      memory: values.FACTORY_WORKER_MEMORY,
      cpus: values.FACTORY_WORKER_CPUS,
      processes: values.FACTORY_WORKER_PROCESSES,
    },
    memoryFloor: values.FACTORY_MEMORY_FLOOR ?? Math.round(totalmem() * defaultFloor),
    maxDepth: values.FACTORY_MAX_DEPTH,
    maxChildren: values.FACTORY_MAX_CHILDREN,
    issueHosts: [
      {
        kind: "github",
        url: values.GITHUB_URL,
        token: values.GITHUB_TOKEN ?? values.GH_TOKEN,
        tokenName: "GITHUB_TOKEN",
      },
      {
        kind: "gitlab",
        url: values.GITLAB_URL,
        token: values.GITLAB_TOKEN,
        tokenName: "GITLAB_TOKEN",
      },
      {
        kind: "gitea",
        url: values.GITEA_URL,
        token: values.GITEA_TOKEN,
        tokenName: "GITEA_TOKEN",
      },
    ],
    traces: tracesOf(values),
    logLevel: values.FACTORY_LOG_LEVEL,
    introspection: values.FACTORY_INTROSPECTION,
    isRoot,
    environment: merged,
  };
}

/** By OpenTelemetry's own rules: what is said of traces beats what is said of all that is sent. */
function tracesOf(values: z.infer<typeof settings>): TraceSettings | undefined {
  const base = values.OTEL_EXPORTER_OTLP_ENDPOINT;
  const own = values.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT;
  const url = own ?? (base === undefined ? undefined : `${base.replace(/\/$/, "")}/v1/traces`);
  if (url === undefined || values.OTEL_SDK_DISABLED?.toLowerCase() === "true") return undefined;
  const { "service.name": named, ...attributes } = values.OTEL_RESOURCE_ATTRIBUTES;
  return {
    url,
    headers: {
      ...values.OTEL_EXPORTER_OTLP_HEADERS,
      ...values.OTEL_EXPORTER_OTLP_TRACES_HEADERS,
    },
    serviceName: values.OTEL_SERVICE_NAME ?? named ?? "factory",
    attributes,
  };
}
