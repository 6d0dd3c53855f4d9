import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach } from "@jest/globals";
import { startEmbeddedPostgres, type EmbeddedPostgres } from "../../../src/database/embedded.ts";
import { findPostgresProcesses } from "../../../src/database/embedded/postgres-processes.ts";

export interface ServerProcess {
  readonly child: ChildProcess;
  readonly answer: { pid: number; url: string; reused: boolean; uid: number; logFile: string };
}

/** Homes and processes that are gone after each test. */
export function useHomes() {
  const homes: string[] = [];
  const children: ChildProcess[] = [];
  const started: EmbeddedPostgres[] = [];

  afterEach(async () => {
    for (const child of children.splice(0)) await kill(child);
    for (const postgres of started.splice(0)) await postgres.stop().catch(() => undefined);
    for (const home of homes.splice(0)) {
      for (const pid of await findPostgresProcesses(join(home, "postgres", "data"))) {
        process.kill(pid, "SIGKILL");
      }
      await rm(home, { recursive: true, force: true, maxRetries: 20 });
    }
  });

  return {
    async createHome(): Promise<string> {
      const home = await mkdtemp(join(tmpdir(), "factory-home-"));
      // Open to the user that Postgres runs as where the tests run as root.
      await chmod(home, 0o711);
      homes.push(home);
      return home;
    },
    async start(
      home: string,
      options: { readonly keepRunning?: boolean } = {},
    ): Promise<EmbeddedPostgres> {
      const postgres = await startEmbeddedPostgres({ home, durable: false, ...options });
      started.push(postgres);
      return postgres;
    },
    /** Another process that runs a program of this folder, in a process group of its own. */
    spawnServer(
      home: string,
      prefix: readonly string[] = [],
      file = "run-postgres.ts",
    ): ChildProcess {
      const script = fileURLToPath(new URL(file, import.meta.url));
      const [program, ...rest] = [...prefix, process.execPath, script, home];
      const child = spawn(program, rest, { stdio: ["pipe", "pipe", "inherit"], detached: true });
      children.push(child);
      return child;
    },
  };
}

/** The line that the program writes when Postgres runs. */
export async function readAnswer(child: ChildProcess): Promise<ServerProcess["answer"]> {
  const lines = createInterface({ input: child.stdout! });
  const [line] = (await once(lines, "line", { signal: AbortSignal.timeout(30_000) })) as [string];
  return JSON.parse(line) as ServerProcess["answer"];
}

/** SIGKILL, to the process alone. */
export async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "exit", { signal: AbortSignal.timeout(10_000) });
}
