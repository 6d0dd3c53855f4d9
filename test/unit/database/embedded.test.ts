import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFile,
  chown,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { PrismaPg } from "@prisma/adapter-pg";
import pg from "pg";
import type { EmbeddedPostgres } from "../../../src/database/embedded.ts";
import {
  findPostgresProcesses,
  isPostmasterOf,
  waitUntil,
} from "../../../src/database/embedded/postgres-processes.ts";
import { kill, readAnswer, useHomes } from "./homes.ts";
import { query } from "./query.ts";

const homes = useHomes();
const dataIn = (home: string) => join(home, "postgres", "data");

async function killPostmaster(pid: number, home: string): Promise<void> {
  process.kill(pid, "SIGKILL");
  const gone = await waitUntil(
    async () => (await findPostgresProcesses(dataIn(home))).length === 0,
    10_000,
  );
  expect(gone).toBe(true);
}

test("the first start makes a database that node-postgres and Prisma reach by its socket alone", async () => {
  const home = await homes.createHome();
  const { url, socketFolder } = await homes.start(home);
  expect(await query(url, "SELECT current_database() AS name")).toEqual([{ name: "factory" }]);
  const adapter = await new PrismaPg({ connectionString: url }).connect();
  const rows = await adapter.queryRaw({
    sql: "SELECT current_setting('listen_addresses') AS tcp, current_setting('server_encoding')",
    args: [],
    argTypes: [],
  });
  await adapter.dispose();
  expect(rows.rows).toEqual([["", "UTF8"]]);
  expect(new URL(url).searchParams.get("host")).toBe(socketFolder);
});

test("others can't reach it: the socket's folder is closed, and the role has a random password", async () => {
  const home = await homes.createHome();
  const { url, socketFolder } = await homes.start(home);
  expect((await stat(socketFolder)).mode & 0o777).toBe(0o700);
  expect((await stat(join(home, "postgres", "password"))).mode & 0o777).toBe(0o600);
  const guess = new URL(url);
  expect(guess.password).toMatch(/^[\w-]{32}$/);
  guess.password = "factory";
  await expect(query(guess.href, "SELECT 1")).rejects.toThrow("password authentication failed");
});

test("a later start has what was stored before", async () => {
  const home = await homes.createHome();
  const first = await homes.start(home);
  await query(first.url, "CREATE TABLE kept AS SELECT 42 AS answer");
  await first.stop();
  expect(await isPostmasterOf(first.pid, dataIn(home))).toBe(false);
  const second = await homes.start(home);
  expect(second.reused).toBe(false);
  expect(await query(second.url, "SELECT * FROM kept")).toEqual([{ answer: 42 }]);
});

test("after the crash of Postgres, the next start recovers what was committed", async () => {
  const home = await homes.createHome();
  const first = await homes.start(home);
  await query(first.url, "CREATE TABLE kept AS SELECT 42 AS answer");
  await killPostmaster(first.pid, home);
  expect(await readFile(join(dataIn(home), "postmaster.pid"), "utf8")).toContain(`${first.pid}\n`);
  const second = await homes.start(home);
  expect(await query(second.url, "SELECT * FROM kept")).toEqual([{ answer: 42 }]);
});

test("a process that now has the number of a killed Postgres is left alone", async () => {
  const home = await homes.createHome();
  const first = await homes.start(home);
  await killPostmaster(first.pid, home);
  // Of Postgres's own user: only then does Postgres take it for a postmaster.
  const { uid, gid } = await stat(dataIn(home));
  const other = spawn("sleep", ["1000"], { uid, gid, cwd: "/", stdio: "ignore" });
  try {
    await once(other, "spawn");
    const lockFile = join(dataIn(home), "postmaster.pid");
    const text = await readFile(lockFile, "utf8");
    await writeFile(lockFile, text.replace(/^\d+/, String(other.pid)));
    const second = await homes.start(home);
    expect(second).toMatchObject({ reused: false });
    await second.stop();
    expect(other.exitCode ?? other.signalCode).toBeNull();
  } finally {
    await kill(other);
  }
});

test("a Postgres that outlived its killed server is taken over, and stopped in the end", async () => {
  const home = await homes.createHome();
  const server = homes.spawnServer(home);
  const answer = await readAnswer(server);
  await query(answer.url, "CREATE TABLE kept AS SELECT 42 AS answer");
  await kill(server);
  expect(await isPostmasterOf(answer.pid, dataIn(home))).toBe(true);
  const next = await homes.start(home);
  expect(next).toMatchObject({ pid: answer.pid, reused: true, url: answer.url });
  expect(await query(next.url, "SELECT * FROM kept")).toEqual([{ answer: 42 }]);
  await next.stop();
  expect(await findPostgresProcesses(dataIn(home))).toEqual([]);
});

test("Ctrl-C for the server's process group doesn't reach Postgres", async () => {
  const home = await homes.createHome();
  const server = homes.spawnServer(home);
  const { pid, url } = await readAnswer(server);
  process.kill(-server.pid!, "SIGINT");
  const session = async (id: number) =>
    (await readFile(`/proc/${id}/stat`, "utf8")).replace(/^.*\) /, "").split(" ")[3];
  expect(await session(pid)).not.toBe(await session(server.pid!));
  expect(await query(url, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
  server.stdin!.end();
  await once(server, "exit");
  expect(server.exitCode).toBe(0);
  expect(await findPostgresProcesses(dataIn(home))).toEqual([]);
});

test("a start that was killed while it made the data folder is made good by the next", async () => {
  const home = await homes.createHome();
  const server = homes.spawnServer(home);
  const unfinished = async () => {
    const names = await readdir(join(home, "postgres")).catch(() => []);
    return names.filter((name) => /^unfinished-\w+$/.test(name));
  };
  await waitUntil(async () => (await unfinished()).length > 0, 20_000);
  await kill(server);
  expect(await unfinished()).toHaveLength(1);
  expect(await readdir(join(home, "postgres"))).not.toContain("data");
  const { url } = await homes.start(home);
  expect(await query(url, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
});

test("where a child of a killed Postgres still works on the data, a start ends it", async () => {
  const home = await homes.createHome();
  const first = await homes.start(home);
  const client = new pg.Client({ connectionString: first.url });
  client.on("error", () => {});
  await client.connect();
  const { rows } = await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
  // It never waits, and so never notices that the postmaster is gone.
  const busy = client.query("DO $$ BEGIN LOOP END LOOP; END $$").catch((error: unknown) => error);
  const orphan = rows[0]!.pid;
  process.kill(first.pid, "SIGKILL");
  await waitUntil(async () => (await findPostgresProcesses(dataIn(home))).length === 1, 10_000);
  expect(await findPostgresProcesses(dataIn(home))).toEqual([orphan]);
  const second = await homes.start(home);
  await busy;
  expect(await isPostmasterOf(second.pid, dataIn(home))).toBe(true);
  expect(await query(second.url, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
  await client.end();
});

test("a home whose path is too long for a socket has it in a temporary folder, gone after the stop", async () => {
  const home = join(await homes.createHome(), "a".repeat(90), "with a space, and a comma");
  const first = await homes.start(home);
  expect(Buffer.byteLength(join(first.socketFolder, ".s.PGSQL.5432"))).toBeLessThanOrEqual(107);
  expect(first.socketFolder.startsWith(home)).toBe(false);
  expect(await query(first.url, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
  await killPostmaster(first.pid, home);
  const second = await homes.start(home);
  expect(second.socketFolder).toBe(first.socketFolder);
  await second.stop();
  expect(await readdir(dirname(first.socketFolder))).not.toContain(
    first.socketFolder.split("/").at(-1),
  );
});

test("a home with spaces, commas, quotes and plus signs in its path works", async () => {
  const home = join(await homes.createHome(), `a b,c"d+e%20é`);
  const { url, socketFolder } = await homes.start(home);
  expect(socketFolder.startsWith(home)).toBe(true);
  expect(await query(url, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
});

test("a start that fails tells Postgres's own words, and leaves no process", async () => {
  const home = await homes.createHome();
  await (await homes.start(home)).stop();
  await appendFile(join(dataIn(home), "postgresql.conf"), "\nno_such_setting = 1\n");
  await expect(homes.start(home)).rejects.toMatchObject({
    code: "HOST_FAILURE",
    message: expect.stringContaining('unrecognized configuration parameter "no_such_setting"'),
  });
  expect(await findPostgresProcesses(dataIn(home))).toEqual([]);
});

test("a lost password file is told, with what to do", async () => {
  const home = await homes.createHome();
  await (await homes.start(home)).stop();
  await rm(join(home, "postgres", "password"));
  await expect(homes.start(home)).rejects.toMatchObject({
    code: "HOST_FAILURE",
    message: expect.stringContaining("Put it back"),
  });
});

test("a stop ends open transactions, and stopping twice is stopping once", async () => {
  const home = await homes.createHome();
  const postgres = await homes.start(home);
  const client = new pg.Client({ connectionString: postgres.url });
  client.on("error", () => {});
  const ended = new Promise((resolve) => client.once("end", resolve));
  await client.connect();
  await client.query("BEGIN; CREATE TABLE never (id int)");
  await Promise.all([postgres.stop(), postgres.stop()]);
  await postgres.stop();
  await ended;
  expect(await findPostgresProcesses(dataIn(home))).toEqual([]);
});

describe("kept running", () => {
  /** Resolves when another one than this process takes connections. */
  async function untilReplaced(postgres: EmbeddedPostgres, pid: number): Promise<void> {
    const replaced = async () =>
      postgres.pid !== pid && (await answers(() => query(postgres.url, "SELECT 1")));
    expect(await waitUntil(replaced, 30_000)).toBe(true);
  }

  test("it is started again when it was killed, as often as that happens, under its url", async () => {
    const home = await homes.createHome();
    const postgres = await homes.start(home, { keepRunning: true });
    await query(postgres.url, "CREATE TABLE kept AS SELECT 42 AS answer");
    for (let round = 0; round < 3; round += 1) {
      const { pid } = postgres;
      process.kill(pid, "SIGKILL");
      await untilReplaced(postgres, pid);
      expect(await query(postgres.url, "SELECT * FROM kept")).toEqual([{ answer: 42 }]);
    }
    await postgres.stop();
    expect(await findPostgresProcesses(dataIn(home))).toEqual([]);
  });

  test("also one that was taken over from a killed server", async () => {
    const home = await homes.createHome();
    const server = homes.spawnServer(home);
    const { pid } = await readAnswer(server);
    await kill(server);
    const postgres = await homes.start(home, { keepRunning: true });
    expect(postgres).toMatchObject({ pid, reused: true });
    process.kill(pid, "SIGKILL");
    await untilReplaced(postgres, pid);
  });

  test("a start that fails is tried again until what hinders it is gone", async () => {
    const home = await homes.createHome();
    const postgres = await homes.start(home, { keepRunning: true });
    const { pid } = postgres;
    await rename(dataIn(home), `${dataIn(home)}.away`);
    process.kill(pid, "SIGKILL");
    const tried = async () =>
      (await readFile(postgres.logFile, "utf8")).includes("could not access");
    expect(await waitUntil(tried, 10_000)).toBe(true);
    await rename(`${dataIn(home)}.away`, dataIn(home));
    await untilReplaced(postgres, pid);
  });

  test("a stop while it is away stops it for good", async () => {
    const home = await homes.createHome();
    const postgres = await homes.start(home, { keepRunning: true });
    process.kill(postgres.pid, "SIGKILL");
    await postgres.stop();
    expect(await findPostgresProcesses(dataIn(home))).toEqual([]);
  });
});

async function answers(ask: () => Promise<unknown>): Promise<boolean> {
  try {
    await ask();
    return true;
  } catch {
    // Not yet: the caller asks again.
    return false;
  }
}

const asNobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
const isRoot = process.getuid?.() === 0;
const whyNoOtherUser = !isRoot ? "these tests aren't run as root" : findObstacle();

/** Why the user nobody can't run these sources; undefined: it can. */
function findObstacle(): string | undefined {
  try {
    const read = "require('fs').readFileSync(process.argv[1])";
    const [program, ...rest] = [...asNobody, process.execPath, "-e", read, import.meta.filename];
    execFileSync(program, rest, { stdio: "pipe", cwd: "/" });
    return undefined;
  } catch (error) {
    return `the user nobody can't run these sources: ${String(error).split("\n")[0] ?? ""}`;
  }
}

if (whyNoOtherUser === undefined) {
  test("a user other than root runs it as itself", async () => {
    const home = join(await homes.createHome(), "home");
    await mkdir(home);
    await chown(home, 65_534, 65_534);
    const server = homes.spawnServer(home, asNobody);
    const { pid, uid } = await readAnswer(server);
    expect(uid).toBe(65_534);
    expect((await stat(`/proc/${pid}`)).uid).toBe(65_534);
    expect((await stat(join(home, "postgres"))).mode & 0o777).toBe(0o700);
    server.stdin!.end();
    await once(server, "exit");
    expect(server.exitCode).toBe(0);
  });
} else {
  test.skip(`a user other than root runs it as itself (skipped: ${whyNoOtherUser})`, () => {});
}
