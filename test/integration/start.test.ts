import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import pg from "pg";
import { compileCache } from "../support/compile-cache.ts";
import { openTerminal } from "../support/command.ts";
import { startFactory } from "../support/factory.ts";
import { createDatabase, createEmptyDatabase, type TestDatabase } from "../support/postgres.ts";
import { startTransactionPooler } from "../support/transaction-pooler.ts";

const main = join(import.meta.dirname, "..", "..", "src", "main.ts");
const endTimeoutMs = 20_000;

let home: string;
let database: TestDatabase;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "factory-start-"));
  database = await createDatabase();
});

afterEach(async () => {
  await database.drop();
  await rm(home, { recursive: true, force: true });
});

const elsewhere = { id: "x", host: "other-host", pid: 42, kernel: "another boot" };

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  /** Lines. */
  readonly stderr: readonly string[];
}

/** A server that is expected to end by itself. */
async function run(env: Readonly<Record<string, string>>): Promise<Ended> {
  const child = spawn(process.execPath, [main, "serve"], {
    cwd: home,
    env: {
      ...compileCache,
      PATH: process.env["PATH"] ?? "",
      HOME: home,
      PORT: "0",
      FACTORY_HOME: home,
      DATABASE_URL: database.url,
      ...env,
    },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: endTimeoutMs,
    killSignal: "SIGKILL",
  });
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "exit") as Promise<[number | null]>,
  ]);
  return { code, stdout, stderr: stderr.split("\n").filter((line) => line !== "") };
}

async function listen(): Promise<{ server: Server; port: number }> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { server, port: address.port };
}

/** Of the embedded Postgres that runs. */
async function readPostgresPid(folder: string): Promise<number> {
  const content = await readFile(join(folder, "postgres", "data", "postmaster.pid"), "utf8");
  return Number(content.split("\n")[0]);
}

/** It says why in one line, and ends with 1. */
function expectRefusal({ code, stderr }: Ended, ...words: string[]): void {
  expect(stderr).toEqual([expect.stringMatching(/^factory: /)]);
  for (const word of words) expect(stderr[0]).toContain(word);
  expect(code).toBe(1);
}

describe("a start that can't be made says why in one line and exits with 1", () => {
  test("a sandbox that it must have and can't", async () => {
    const ended = await run({ FACTORY_SANDBOX: "required", PATH: "/nowhere" });
    expectRefusal(ended, "bwrap is not installed", "apt-get install bubblewrap");
  });

  test("settings: all mistakes together, a line for each", async () => {
    const { code, stderr, stdout } = await run({
      PORT: "http",
      FACTORY_MAX_WORKERS: "0",
      FACTORY_KILL_GRACE: "-1",
      FACTORY_SYNC_MAX_AGE: "soon",
      FACTORY_LOG_LEVEL: "loud",
      FACTORY_GIT_PROTOCOLS: "https,ext",
      FACTORY_REMOTE_TEMPLATE: "https://example.org/",
      FACTORY_TOKEN: "short",
      DATABASE_URL: "mysql://localhost/factory",
      HOST: "0.0.0.0",
    });
    expect(code).toBe(1);
    const named = stderr.map((line) => /^factory: (\w+) \S+/.exec(line)?.[1]);
    expect(named.toSorted()).toEqual([
      "DATABASE_URL",
      "FACTORY_GIT_PROTOCOLS",
      "FACTORY_KILL_GRACE",
      "FACTORY_LOG_LEVEL",
      "FACTORY_MAX_WORKERS",
      "FACTORY_REMOTE_TEMPLATE",
      "FACTORY_SYNC_MAX_AGE",
      "FACTORY_TOKEN",
      "PORT",
    ]);
    expect(stdout).toBe("");
  });

  test("a HOST that other machines reach, without FACTORY_TOKEN", async () => {
    const hosts = ["0.0.0.0", "::"];
    const refusals = await Promise.all(hosts.map((host) => run({ HOST: host })));
    for (const [index, refusal] of refusals.entries()) {
      expectRefusal(refusal, hosts[index] ?? "", "FACTORY_TOKEN");
    }
  });

  test("a port that is taken", async () => {
    const { server, port } = await listen();
    try {
      expectRefusal(await run({ PORT: String(port) }), `port ${String(port)}`, "PORT");
    } finally {
      server.close();
    }
  });

  test("a database that can't be reached, isn't there, or takes no such user", async () => {
    const { server, port } = await listen();
    server.close();
    await once(server, "close");
    const nowhere = `postgresql://somebody:secret-word@127.0.0.1:${String(port)}/factory`;
    const missing = new URL(database.url);
    missing.pathname = "/no-such-database";
    const wrong = new URL(database.url);
    wrong.password = "wrong-password";
    const urls = [nowhere, missing.href, wrong.href];
    const starts = urls.map((url, index) =>
      run({ DATABASE_URL: url, FACTORY_HOME: join(home, String(index)) }),
    );
    for (const ended of await Promise.all(starts)) {
      expectRefusal(ended, "DATABASE_URL");
      const said = ended.stderr.join("") + ended.stdout;
      expect(said).not.toContain("secret-word");
      expect(said).not.toContain("wrong-password");
    }
  });

  test("a DATABASE_URL with several hosts, or through a pooler of transactions", async () => {
    const hosts = await run({ DATABASE_URL: "postgresql://u:secret@a:5432,b:5432/factory" });
    expectRefusal(hosts, "DATABASE_URL names several hosts", "primary");
    expect(hosts.stderr[0]).not.toContain("secret");
    const pooler = await startTransactionPooler(database.url, { sessions: 4, next: "last" });
    expectRefusal(await run({ DATABASE_URL: pooler.url }), "DATABASE_URL", "pool_mode = session");
    await pooler.close();
  });

  test("a database that is ahead of the code", async () => {
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    try {
      await client.query(
        `INSERT INTO "_prisma_migrations" (id, checksum, finished_at, migration_name, applied_steps_count)
         VALUES ('x', 'x', now(), '29990101000000_from_the_future', 1)`,
      );
    } finally {
      await client.end();
    }
    expectRefusal(await run({}), "29990101000000_from_the_future");
  });

  test("a FACTORY_HOME that is no folder, or can't be made", async () => {
    const file = join(home, "file");
    await writeFile(file, "");
    const homes = [file, join(file, "below")];
    for (const refusal of await Promise.all(homes.map((path) => run({ FACTORY_HOME: path })))) {
      expectRefusal(refusal, file, "FACTORY_HOME");
    }
  });

  test("a FACTORY_HOME that isn't writable", async () => {
    // Closed to everybody, to root too: the kernel takes no folder of anybody's there.
    expectRefusal(await run({ FACTORY_HOME: "/sys/factory-home" }), "/sys", "FACTORY_HOME");
  });

  test("a FACTORY_AGENTS that isn't there or isn't right", async () => {
    const file = join(home, "agents.json");
    expectRefusal(await run({ FACTORY_AGENTS: file }), "FACTORY_AGENTS");
    await writeFile(file, `{"agents": {"echo": {"command": "echo"}}}`);
    expectRefusal(await run({ FACTORY_AGENTS: file }), "command");
  });

  test("a FACTORY_HOME that another server uses, whose work goes on", async () => {
    const factory = await startFactory();
    try {
      expectRefusal(await run({ FACTORY_HOME: factory.home }), factory.home, "in use");
      expect(await factory.query("{ __typename }")).toEqual({ __typename: "Query" });
    } finally {
      await factory.dispose();
    }
  });

  test("a FACTORY_HOME on a volume that a server of another host uses", async () => {
    const file = join(home, "server.lock");
    await writeFile(file, JSON.stringify(elsewhere));
    const beating = setInterval(() => void utimes(file, new Date(), new Date()), 500);
    try {
      expectRefusal(await run({}), home, "in use", "process 42 on other-host");
      expect(JSON.parse(await readFile(file, "utf8"))).toEqual(elsewhere);
    } finally {
      clearInterval(beating);
    }
  });

  test("a FACTORY_HOME that a newer version of Factory has written, which stays as it is", async () => {
    await writeFile(join(home, "layout-version"), "3\n");
    expectRefusal(await run({}), home, "newer version of Factory", "FACTORY_HOME");
    expect((await readdir(home)).toSorted()).toEqual(["layout-version"]);
  });

  test.each(["sessions", "bin"])("a FACTORY_HOME with a file in the place of %s", async (name) => {
    await writeFile(join(home, name), "");
    expectRefusal(await run({}), home, name, "FACTORY_HOME");
  });

  test.each(["token", "runner-id", "layout-version"])(
    "a FACTORY_HOME with a folder in the place of %s",
    async (name) => {
      await mkdir(join(home, name));
      expectRefusal(await run({}), home, "FACTORY_HOME");
    },
  );

  test.each(["sreve", "serve --stop-worker", "serve --role cook"])(
    "a wrong command line (%s) is told with how it is used, and exit code 2",
    async (line) => {
      const child = spawn(process.execPath, [main, ...line.split(" ")], {
        stdio: ["ignore", "pipe", "pipe"],
      });
      const [said, [code]] = await Promise.all([
        text(child.stderr),
        once(child, "exit") as Promise<[number | null]>,
      ]);
      expect(said).toContain("Usage: factory");
      expect(said).not.toMatch(/^ +at /m);
      expect(code).toBe(2);
    },
  );
});

describe("a home whose server was on another host", () => {
  test("is taken where that server is silent", async () => {
    const factory = await startFactory();
    try {
      const file = join(factory.home, "server.lock");
      await factory.kill();
      await writeFile(file, JSON.stringify(elsewhere));
      const next = await factory.restart();
      const owner = JSON.parse(await readFile(file, "utf8")) as object;
      expect(owner).toMatchObject({ pid: next.process.pid });
      expect(await next.terminate()).toBe(0);
      expect(await readdir(factory.home)).not.toContain("server.lock");
    } finally {
      await factory.dispose();
    }
  });

  test("is left to a server that took it over from a silent one, which stops by itself", async () => {
    const factory = await startFactory();
    try {
      const file = join(factory.home, "server.lock");
      await writeFile(file, JSON.stringify(elsewhere));
      const [code] = (await once(factory.process, "exit")) as [number | null];
      expect(code).toBe(0);
      expect(factory.log.join("\n")).toContain("taken over by process 42 on other-host");
      expect(JSON.parse(await readFile(file, "utf8"))).toEqual(elsewhere);
    } finally {
      await factory.dispose();
    }
  });
});

describe("a start", () => {
  test("closes its home to others, and keeps the token that it made", async () => {
    const factory = await startFactory();
    try {
      const mode = async (path: string) => (await stat(join(factory.home, path))).mode & 0o777;
      const isRoot = process.getuid?.() === 0;
      expect(await mode("")).toBe(isRoot ? 0o711 : 0o700);
      expect(await mode("token")).toBe(0o600);
      for (const folder of ["repositories", "worktrees", "sessions"]) {
        expect(await mode(folder)).toBe(0o700);
      }
      expect(factory.token.length).toBeGreaterThanOrEqual(32);
      expect(factory.log.join("\n")).not.toContain(factory.token);

      expect(await factory.terminate()).toBe(0);
      // No one else could know it yet.
      expect(factory.said.join("\n")).toContain(`FACTORY_TOKEN=${factory.token}`);
      expect(factory.said.join("\n")).not.toContain("/sign-in?code=");
      const again = await factory.restart();
      expect(again.token).toBe(factory.token);
      expect(await again.query("{ __typename }")).toEqual({ __typename: "Query" });
      expect(await again.terminate()).toBe(0);
      const words = again.said.join("\n");
      expect(words).toContain(`FACTORY_TOKEN="$(cat ${join(factory.home, "token")})"`);
      expect(words + again.log.join("\n")).not.toMatch(new RegExp(`${again.token}|sign-in\\?code`));
    } finally {
      await factory.dispose();
    }
  });

  test("prints the token, and a link that signs in once, on a terminal", async () => {
    const token = "a-token-of-the-operators-own";
    const terminal = openTerminal({ home }, ["serve"], {
      env: { PORT: "0", DATABASE_URL: database.url, FACTORY_TOKEN: token },
    });
    try {
      await terminal.until(`FACTORY_TOKEN=${token}`);
      const [link = ""] = /http:\S+\/sign-in\?code=\S+/.exec(terminal.text()) ?? [];
      const { origin, pathname } = new URL(link);
      const open = (address: string) => fetch(address, { redirect: "manual" });
      const wrong = await open(`${origin}${pathname}?code=wrong`);
      expect([wrong.status, wrong.headers.get("set-cookie")]).toEqual([401, null]);
      const atOnce = await Promise.all([open(link), open(link)]);
      expect(atOnce.map(({ status }) => status).toSorted()).toEqual([303, 401]);
      const cookies = atOnce.filter(({ headers }) => headers.has("set-cookie"));
      expect(cookies.map(({ status }) => status)).toEqual([303]);
      const again = await open(link);
      expect([again.status, again.headers.get("set-cookie")]).toEqual([401, null]);
      terminal.type("\u0003");
      expect((await terminal.ended).code).toBe(0);
    } finally {
      terminal.kill();
    }
  });

  test("takes the token from the setting, writes none, and prints none into logs", async () => {
    const token = "a-token-of-the-operators-own";
    const factory = await startFactory({ env: { FACTORY_TOKEN: token } });
    try {
      expect(await factory.query("{ __typename }", {}, token)).toEqual({ __typename: "Query" });
      await expect(stat(join(factory.home, "token"))).rejects.toThrow("ENOENT");
      const words = factory.said.join("\n");
      expect(words).toContain('FACTORY_TOKEN="$FACTORY_TOKEN"');
      expect(words + factory.log.join("\n")).not.toMatch(new RegExp(`${token}|sign-in\\?code`));
    } finally {
      await factory.dispose();
    }
  });

  test("says in the log, at /readyz and of its runner that workers are not locked in, and why", async () => {
    // With git, and without bubblewrap.
    await symlink("/usr/bin/git", join(home, "git"));
    const factory = await startFactory({ env: { FACTORY_SANDBOX: "auto", PATH: home } });
    try {
      const words = /workers are not locked in: bwrap is not installed.*apt-get install bubblewrap/;
      expect(factory.log.join("\n")).toMatch(words);
      const answer = await factory.fetch("/readyz");
      expect(answer.status).toBe(200);
      expect(await answer.text()).toMatch(words);
      const { runners } = await factory.query<{ runners: readonly object[] }>(
        "{ runners { hasSandbox noSandboxReason } }",
      );
      expect(runners).toEqual([
        { hasSandbox: false, noSandboxReason: expect.stringMatching(/bwrap is not installed/) },
      ]);
    } finally {
      await factory.dispose();
    }
  });

  test("reads settings from .env, below those of the environment", async () => {
    await writeFile(join(home, ".env"), "PORT=nonsense\nFACTORY_LOG_LEVEL=nonsense\n");
    const { stderr } = await run({ PORT: "0" });
    expect(stderr).toEqual([expect.stringContaining("FACTORY_LOG_LEVEL")]);
  });

  test("of two servers on one empty database at once succeeds twice", async () => {
    const empty = await createEmptyDatabase();
    try {
      const env = { DATABASE_URL: empty.url };
      const starts = await Promise.allSettled([startFactory({ env }), startFactory({ env })]);
      const answers = await Promise.all(
        starts.map(async (start) => {
          if (start.status === "rejected") return start.reason as unknown;
          const answer = await start.value.send("{ workerSessions { totalCount } }");
          await start.value.dispose();
          return answer;
        }),
      );
      const answer = { data: { workerSessions: { totalCount: 0 } } };
      expect(answers).toEqual([answer, answer]);
    } finally {
      await empty.drop();
    }
  });
});

describe("a stop", () => {
  test.each(["SIGTERM", "SIGINT"] as const)(
    "by %s ends within 10 s with exit code 0, whoever still listens",
    async (signal) => {
      const factory = await startFactory();
      try {
        const watch = "subscription { overviewChanged { at } }";
        const overWebSocket = factory.subscribe(watch);
        const streamed = await factory.fetch("/graphql", {
          method: "POST",
          headers: { accept: "text/event-stream", "content-type": "application/json" },
          body: JSON.stringify({ query: watch }),
        });
        const reading = streamed.text().catch(() => "cut");
        // The connection stands.
        expect(await factory.query("{ __typename }")).toEqual({ __typename: "Query" });

        const ended = once(factory.process, "exit");
        const started = performance.now();
        factory.process.kill(signal);
        const [code] = (await ended) as [number | null];
        expect(code).toBe(0);
        expect(performance.now() - started).toBeLessThan(10_000);
        await reading;
        overWebSocket.end();
      } finally {
        await factory.dispose();
      }
    },
  );
});

test("a stop in the middle of the start leaves nothing behind, and exits with 0", async () => {
  const child = spawn(process.execPath, [main, "serve"], {
    cwd: home,
    env: { PATH: process.env["PATH"] ?? "", HOME: home, PORT: "0", FACTORY_HOME: home },
    stdio: ["ignore", "pipe", "ignore"],
    timeout: endTimeoutMs,
    killSignal: "SIGKILL",
  });
  // The first line tells that Postgres runs: much is still to come.
  const [first] = (await once(child.stdout, "data")) as [Buffer];
  const pid = await readPostgresPid(home);
  child.kill("SIGTERM");
  const [code] = (await once(child, "exit")) as [number | null];
  expect(code).toBe(0);
  expect(first.toString("utf8")).not.toContain("listening");
  expect(() => process.kill(pid, 0)).toThrow("ESRCH");
});

describe("without DATABASE_URL", () => {
  test("an embedded Postgres starts with the server, stops with it, and keeps what it holds", async () => {
    const factory = await startFactory({ env: { DATABASE_URL: "" } });
    try {
      await factory.query(
        `mutation { cloneRepository(input: {owner: "o", name: "kept", url: "http://127.0.0.1:1/o/n.git"}) { created } }`,
      );
      const pid = await readPostgresPid(factory.home);
      expect(() => process.kill(pid, 0)).not.toThrow();
      expect(await factory.terminate()).toBe(0);
      expect(() => process.kill(pid, 0)).toThrow("ESRCH");

      const kept = `{ repository(owner: "o", name: "kept") { nameWithOwner } }`;
      const again = await factory.restart();
      expect(await again.query(kept)).toEqual({ repository: { nameWithOwner: "o/kept" } });

      // Killed, it leaves its Postgres running; the next one takes that over.
      await again.kill();
      const third = await factory.restart();
      expect(await third.query(kept)).toEqual({ repository: { nameWithOwner: "o/kept" } });
      expect(await third.terminate()).toBe(0);
    } finally {
      await factory.dispose();
    }
  });
});
