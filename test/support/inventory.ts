// All that a server holds, rows and files, so that a test can show that nothing was added or taken away.
import { execFile } from "node:child_process";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { codeOf } from "../../src/git/files.ts";
import type { FactoryServer } from "./factory.ts";

const tables = [
  "Repository",
  "Worktree",
  "WorkerSession",
  "ParentSession",
  "Stream",
  "Event",
] as const;

export interface Inventory {
  /** A line of text for each row, by table. */
  readonly rows: Readonly<Record<string, readonly string[]>>;
  /** What is below FACTORY_HOME, but for git's objects. */
  readonly files: readonly string[];
  /** Refs of all clones with what they name. */
  readonly refs: readonly string[];
}

export async function queryDatabase<Row extends pg.QueryResultRow>(
  server: FactoryServer,
  statement: string,
  values: readonly unknown[] = [],
): Promise<Row[]> {
  const client = new pg.Client({ connectionString: server.databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query<Row>(statement, [...values]);
    return rows;
  } finally {
    await client.end();
  }
}

/** @param fetched leaves out what an ordinary fetch writes: many refusals are found only after one. */
export async function takeInventory(
  server: FactoryServer,
  { fetched = false } = {},
): Promise<Inventory> {
  // Where git keeps what a fetch brings; see gitrepository-layout(5).
  const isFetched = (line: string) => fetched && /refs\/(?:remotes|tags)\//.test(line);
  const [rows, files, refs] = await Promise.all([
    readRows(server, fetched),
    listFiles(server.home),
    listRefs(server.home),
  ]);
  return {
    rows,
    files: files.filter((line) => !isFetched(line)),
    refs: refs.filter((line) => !isFetched(line)),
  };
}

async function readRows(
  server: FactoryServer,
  fetched: boolean,
): Promise<Readonly<Record<string, readonly string[]>>> {
  const ofRepositories = `SELECT id FROM "Stream" WHERE key LIKE 'repository:%'`;
  const withoutFetches: Partial<Record<(typeof tables)[number], string>> = {
    Stream: `WHERE t.id NOT IN (${ofRepositories})`,
    Event: `WHERE t."streamId" NOT IN (${ofRepositories})`,
  };
  const selects = tables.map((table) => {
    const condition = fetched ? (withoutFetches[table] ?? "") : "";
    return `SELECT '${table}' AS of, (to_jsonb(t) - $1)::text AS line FROM "${table}" t ${condition}`;
  });
  const found = await queryDatabase<{ of: string; line: string }>(
    server,
    `${selects.join(" UNION ALL ")}
     UNION ALL SELECT 'job', (id, state)::text FROM pgboss.job WHERE name = 'worker-sessions'
     ORDER BY 1, 2`,
    [fetched ? "lastSyncedAt" : ""],
  );
  const rows: Record<string, string[]> = Object.fromEntries(
    [...tables, "job"].map((table) => [table, []]),
  );
  for (const { of, line } of found) rows[of]?.push(line);
  return rows;
}

const folders = ["repositories", "control", "credentials", "worktrees", "trash", "sessions"];

async function listFiles(home: string): Promise<string[]> {
  const files: string[] = [];
  for (const folder of folders) {
    for (const path of await listIfThere(join(home, folder))) {
      const isObject = /(?:^|\/)objects(?:\/|$)/.test(path);
      if (!isObject) files.push(join(folder, path));
    }
  }
  return files.sort();
}

async function listIfThere(folder: string): Promise<string[]> {
  try {
    return await readdir(folder, { recursive: true });
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  }
}

const execute = promisify(execFile);

/** Of the clones, read with git itself. */
async function listRefs(home: string): Promise<string[]> {
  const root = join(home, "repositories");
  const repositories = (await listIfThere(root)).filter(
    (path) => path.split("/").length === 3 && path.endsWith(".git"),
  );
  const lines = await Promise.all(
    repositories.sort().map(async (path) => {
      const { stdout } = await execute("git", ["for-each-ref"], {
        cwd: join(root, path),
        env: { PATH: process.env["PATH"] ?? "", GIT_CONFIG_NOSYSTEM: "1", HOME: home },
      });
      return stdout
        .trim()
        .split("\n")
        .map((line) => `${path} ${line}`);
    }),
  );
  return lines.flat();
}
