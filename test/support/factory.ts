// A running server, as a process of its own, and the ways in which clients speak to it.
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Client } from "graphql-ws";
import { terminateAll } from "../../src/process/terminate.ts";
import { collect, type Collected } from "./collect.ts";
import { compileCache } from "./compile-cache.ts";
import type { GitServer } from "./git-server.ts";
import { createDatabase, type TestDatabase } from "./postgres.ts";
import { openWebSocket } from "./web-socket.ts";

const startTimeoutMs = 30_000;
const stopTimeoutMs = 15_000;
const root = join(import.meta.dirname, "..", "..");

export interface GraphQLFault {
  readonly message: string;
  readonly path?: readonly (string | number)[];
  readonly extensions: { readonly code: string; readonly [fact: string]: unknown };
}

export interface Answer<Data> {
  readonly data: Data;
  readonly errors?: readonly GraphQLFault[];
}

export type Variables = Readonly<Record<string, unknown>>;

export interface FactoryServer {
  readonly url: string;
  readonly token: string;
  readonly home: string;
  readonly databaseUrl: string;
  readonly process: ChildProcess;
  /** What it has logged so far, a JSON line each. */
  readonly log: readonly string[];
  /** What it has said beside the log so far, by lines. */
  readonly said: readonly string[];
  /** The whole answer, errors included. */
  send<Data>(document: string, variables?: Variables, token?: string): Promise<Answer<Data>>;
  /** The data; throws where there are errors. */
  query<Data>(document: string, variables?: Variables, token?: string): Promise<Data>;
  /** The codes of the answer's errors. */
  codes(document: string, variables?: Variables, token?: string): Promise<string[]>;
  /** Over WebSocket. */
  subscribe<Data>(document: string, variables?: Variables, token?: string): Collected<Data>;
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** SIGTERM, and its exit code. Home and database stay. */
  terminate(): Promise<number | null>;
  /** SIGKILL. Home and database stay. */
  kill(): Promise<void>;
  /** Another process on the same home and database. */
  restart(env?: Readonly<Record<string, string>>): Promise<FactoryServer>;
  /** Ends it and all that was made for it. */
  dispose(): Promise<void>;
}

export interface FactoryOptions {
  /** Where it clones from when no url is given. Default: as a server that is not told. */
  readonly git?: Pick<GitServer, "host">;
  readonly env?: Readonly<Record<string, string>>;
  /** Of `factory serve`. */
  readonly arguments?: readonly string[];
  /** A command that turns into the rest of its arguments. */
  readonly launcher?: readonly string[];
  /** One that several servers share, and whoever made it drops. Default: one of its own. */
  readonly database?: Pick<TestDatabase, "url">;
}

/** A server with a home, a database and a port of its own. */
export async function startFactory(options: FactoryOptions = {}): Promise<FactoryServer> {
  const home = await mkdtemp(join(tmpdir(), "factory-home-"));
  const shared = options.database;
  const database =
    shared === undefined
      ? await createDatabase()
      : { url: shared.url, drop: () => Promise.resolve() };
  try {
    return await start(home, database, options);
  } catch (error) {
    await database.drop();
    await rm(home, { recursive: true, force: true });
    throw error;
  }
}

async function start(
  home: string,
  database: TestDatabase,
  options: FactoryOptions,
): Promise<FactoryServer> {
  const { git, env = {}, launcher = [] } = options;
  // As `npm start` does it.
  const flags = ["--max-semi-space-size=8"];
  const serve = [process.execPath, ...flags, join(root, "src", "main.ts"), "serve"];
  const [program = "", ...rest] = [...launcher, ...serve, ...(options.arguments ?? [])];
  const child = spawn(program, rest, {
    cwd: home,
    env: {
      ...compileCache,
      PATH: process.env["PATH"] ?? "",
      HOME: home,
      LANG: "C.UTF-8",
      HOST: "127.0.0.1",
      PORT: "0",
      FACTORY_HOME: home,
      DATABASE_URL: database.url,
      FACTORY_GIT_PROTOCOLS: "http,https,ssh,file",
      FACTORY_KILL_GRACE: "2",
      FACTORY_MAX_WORKERS: "4",
      // Most tests look at what only a worker without one shows.
      FACTORY_SANDBOX: "off",
      ...(git === undefined ? {} : { FACTORY_REMOTE_TEMPLATE: templateOf(git) }),
      ...env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const log: string[] = [];
  const said: string[] = [];
  const url = await readAddress(child, log, said);
  const token = env["FACTORY_TOKEN"] ?? (await readFile(join(home, "token"), "utf8")).trim();
  const clients = new Set<Client>();

  async function send<Data>(document: string, variables: Variables = {}, as = token) {
    const response = await fetch(`${url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${as}` },
      body: JSON.stringify({ query: document, variables }),
    });
    return (await response.json()) as Answer<Data>;
  }

  async function closeClients(): Promise<void> {
    await Promise.all(
      [...clients].map(async (client) => {
        try {
          await client.dispose();
        } catch (error) {
          // Of one that was connecting when its server was killed: the event that ended the attempt.
          if (error instanceof Error) throw error;
        }
      }),
    );
    clients.clear();
  }

  const server: FactoryServer = {
    url,
    token,
    home,
    databaseUrl: database.url,
    process: child,
    log,
    said,
    send,
    async query<Data>(document: string, variables?: Variables, as?: string) {
      const { data, errors } = await send<Data>(document, variables, as);
      if (errors !== undefined) throw new Error(JSON.stringify(errors));
      return data;
    },
    async codes(document, variables, as) {
      const { errors = [] } = await send(document, variables, as);
      return errors.map(({ extensions }) => extensions.code);
    },
    subscribe<Data>(document: string, variables: Variables = {}, as = token) {
      const client = openWebSocket({ url, token: as });
      clients.add(client);
      return collect<Data>(client, document, variables);
    },
    fetch(path, init = {}) {
      const headers = new Headers(init.headers);
      if (!headers.has("authorization")) headers.set("authorization", `Bearer ${token}`);
      return fetch(`${url}${path}`, { ...init, headers });
    },
    async terminate() {
      await closeClients();
      return endProcess(child, "SIGTERM");
    },
    async kill() {
      await endProcess(child, "SIGKILL");
      await closeClients();
    },
    restart: (more = {}) => start(home, database, { ...options, env: { ...env, ...more } }),
    async dispose() {
      await closeClients();
      if (child.exitCode === null && child.signalCode === null) await endProcess(child, "SIGTERM");
      await endWorkers(home);
      await database.drop();
      await rm(home, { recursive: true, force: true });
    },
  };
  return server;
}

function templateOf({ host }: Pick<GitServer, "host">): string {
  return `http://${host}/{owner}/{name}.git`;
}

/** Workers outlive their server; those of a test that failed half way must not outlive the tests. */
async function endWorkers(home: string): Promise<void> {
  // A session's folder is named as what its processes are known by, and goes with its end.
  const folders = await readdir(join(home, "sessions"));
  await Promise.all(
    folders.map((nonce) => terminateAll({ identity: undefined, nonce, graceMs: 0 })),
  );
}

/** From the log's line; what it printed instead, where it ended without. */
async function readAddress(child: ChildProcess, log: string[], said: string[]): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  if (child.stdout === null || child.stderr === null) throw new Error("the server has no output");
  createInterface(child.stdout).on("line", (line) => {
    log.push(line);
    const url = /"url":"(http:[^"]+)"/.exec(line)?.[1];
    if (url !== undefined && line.includes("listening")) resolve(url);
  });
  createInterface(child.stderr).on("line", (line) => said.push(line));
  child.once("error", reject);
  child.once("exit", (code) => {
    reject(new Error(`the server ended with ${String(code)}: ${[...said, ...log].join("\n")}`));
  });
  const timer = setTimeout(() => {
    reject(new Error(`the server did not start: ${[...said, ...log].join("\n")}`));
  }, startTimeoutMs);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}

async function endProcess(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.once("exit", resolve);
  child.kill(signal);
  const timer = setTimeout(() => {
    child.kill("SIGKILL");
    reject(new Error(`the server did not end within ${String(stopTimeoutMs)} ms of ${signal}`));
  }, stopTimeoutMs);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}
