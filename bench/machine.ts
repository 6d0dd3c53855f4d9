// What the numbers depend on.
import { execFile } from "node:child_process";
import { cpus, loadavg, release, totalmem } from "node:os";
import { promisify } from "node:util";
import pg from "pg";

const execute = promisify(execFile);

export interface MachineFacts {
  readonly cores: number;
  readonly processor: string;
  readonly memoryGb: number;
  readonly kernel: string;
  readonly node: string;
  readonly git: string;
  readonly postgres: string;
  /** Processes that wanted to run, over the last minute, at the start: above 0, something else ran. */
  readonly load: number;
}

export async function readMachineFacts(databaseUrl: string): Promise<MachineFacts> {
  const { stdout: git } = await execute("git", ["--version"]);
  return {
    cores: cpus().length,
    processor: cpus()[0]?.model ?? "unknown",
    memoryGb: Math.round(totalmem() / 1024 ** 3),
    kernel: release(),
    node: process.version,
    git: git.trim().replace("git version ", ""),
    postgres: await readPostgresVersion(databaseUrl),
    load: loadavg()[0] ?? 0,
  };
}

async function readPostgresVersion(connectionString: string): Promise<string> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    const { rows } = await client.query<{ server_version: string }>("SHOW server_version");
    return rows[0]?.server_version ?? "unknown";
  } finally {
    await client.end();
  }
}
