import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbeddedPostgres, type EmbeddedPostgres } from "./embedded.ts";

/**
 * Waits for a line on its input. Where the input ends without one, its writer was killed: stops Postgres
 * (process $1), and removes the folder ($2) when Postgres is gone, or after 10 s.
 */
const guard = `
read -r _ && exit
read -r pid <"$2/postgres/data/postmaster.pid" && [ "$pid" = "$1" ] && kill -QUIT "$1"
tries=100
while kill -0 "$1" && [ $tries -gt 0 ]; do sleep 0.1; tries=$((tries - 1)); done
rm -rf "$2"
`;

/**
 * An embedded Postgres for a moment, in a temporary folder that \`stop\` removes. Both also go when this
 * process is killed: Postgres by itself would live on. `durable` as for startEmbeddedPostgres, but false
 * by default.
 */
export async function startThrowAwayPostgres({
  durable = false,
}: { readonly durable?: boolean } = {}): Promise<EmbeddedPostgres> {
  const home = await mkdtemp(join(tmpdir(), "factory-postgres-"));
  try {
    const postgres = await startEmbeddedPostgres({ home, durable });
    const dismissGuard = setGuard(postgres.pid, home);
    return {
      ...postgres,
      stop: async () => {
        await postgres.stop();
        dismissGuard();
        await rm(home, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(home, { recursive: true, force: true });
    throw error;
  }
}

/** @returns what ends the guard without any further effect. */
function setGuard(pid: number, home: string): () => void {
  const child = spawn("/bin/sh", ["-c", guard, "sh", String(pid), home], {
    // A session of its own: Ctrl-C must not reach it.
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
    env: { PATH: "/usr/bin:/bin" },
  });
  // Without a guard all works as well, as long as nobody is killed.
  child.on("error", () => undefined);
  child.stdin.on("error", () => undefined);
  child.unref();
  return () => child.stdin.end("done\n");
}
