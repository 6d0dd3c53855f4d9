// Who uses a FACTORY_HOME. On one host the kernel tells; a volume that several hosts mount needs a file.
import { createHash, randomUUID } from "node:crypto";
import { readFile, readlink, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import { setInterval as every, setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { FactoryError } from "../errors.ts";

/** How often a server shows that it lives. */
const beatMs = 2_000;
/** A server that doesn't show itself for so long is dead, or cut off from the volume. */
const silenceMs = 10_000;

const recordSchema = z.object({
  /** One per server process. */
  id: z.string(),
  host: z.string(),
  pid: z.number(),
  /** Within it the kernel tells whether the server lives. */
  kernel: z.string(),
});
type LockRecord = z.infer<typeof recordSchema>;

export interface HomeLock {
  release(): Promise<void>;
}

export interface HomeWatcher {
  /** Another server has it now: it took this one for dead. */
  lost(owner: string): void;
  /** This server could not show that it lives; it goes on, and tries again. */
  failed(error: unknown): void;
}

/**
 * Takes the folder for this process. The server of another host is found by its file, whose time it renews:
 * no clock is compared, as two hosts' may differ.
 * @throws FactoryError HOST_FAILURE where another server uses it.
 */
export async function lockHome(path: string, watcher: HomeWatcher): Promise<HomeLock> {
  const file = join(path, "server.lock");
  const socket = await takeName(path);
  try {
    const kernel = await readKernel();
    const before = await readRecord(file);
    const isElsewhere = before !== undefined && before.kernel !== kernel;
    if (isElsewhere) await assertSilent(path, file, before);
    const record = { id: randomUUID(), host: hostname(), pid: process.pid, kernel };
    await writeFile(`${file}.${record.id}`, JSON.stringify(record), { mode: 0o600 });
    await rename(`${file}.${record.id}`, file);
    if (isElsewhere) {
      // Two hosts may have found it silent at the same time: the later one has it.
      await delay(beatMs);
      const now = await readRecord(file);
      if (now?.id !== record.id) throw inUse(path, now);
    }
    const beating = keepBeating(file, record, watcher);
    return {
      async release() {
        await beating.stop();
        await closeServer(socket);
      },
    };
  } catch (error) {
    await closeServer(socket);
    throw error;
  }
}

/** @throws FactoryError HOST_FAILURE as soon as its owner shows itself. */
async function assertSilent(path: string, file: string, owner: LockRecord): Promise<void> {
  const first = await timeOf(file);
  for (let waitedMs = 0; waitedMs < silenceMs; waitedMs += beatMs / 4) {
    await delay(beatMs / 4);
    const now = await timeOf(file);
    // Released meanwhile.
    if (now === undefined) return;
    if (now !== first) throw inUse(path, owner);
  }
}

function keepBeating(
  file: string,
  { id }: LockRecord,
  watcher: HomeWatcher,
): { stop: () => Promise<void> } {
  const stopping = new AbortController();
  const { signal } = stopping;

  async function beat(): Promise<boolean> {
    const now = await readRecord(file);
    if (now !== undefined && now.id !== id) {
      watcher.lost(describe(now));
      return false;
    }
    const time = new Date();
    // Only the time: that succeeds on a full disk too.
    await utimes(file, time, time);
    return true;
  }

  async function beatOn(): Promise<void> {
    for await (const _ of every(beatMs, undefined, { signal, ref: false })) {
      try {
        if (!(await beat())) return;
      } catch (error) {
        watcher.failed(error);
      }
    }
  }

  const beating = beatOn().catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
  return {
    async stop() {
      stopping.abort();
      await beating;
      if ((await readRecord(file))?.id === id) await rm(file, { force: true });
    },
  };
}

/**
 * An abstract Unix socket: the kernel gives its name to one process at a time, and frees it with the
 * process, however that ends. Source: unix(7), "abstract".
 */
async function takeName(path: string): Promise<Server> {
  const name = createHash("sha256").update(path).digest("hex").slice(0, 32);
  const server = createServer((socket) => socket.destroy());
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(`\0factory-home-${name}`, resolve);
  try {
    await promise;
  } catch (error) {
    throw inUse(path, undefined, error);
  }
  server.unref();
  return server;
}

/** Abstract sockets are seen within one network namespace of one running kernel: not across containers. */
async function readKernel(): Promise<string> {
  const [boot, network] = await Promise.all([
    readFile("/proc/sys/kernel/random/boot_id", "utf8"),
    readlink("/proc/self/ns/net"),
  ]);
  return `${boot.trim()} ${network}`;
}

/** undefined: there is none, or it was written by halves: its server was killed at once. */
async function readRecord(file: string): Promise<LockRecord | undefined> {
  try {
    const parsed = recordSchema.safeParse(JSON.parse(await readFile(file, "utf8")));
    return parsed.success ? parsed.data : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || isMissing(error)) return undefined;
    throw error;
  }
}

async function timeOf(file: string): Promise<bigint | undefined> {
  try {
    return (await stat(file, { bigint: true })).mtimeNs;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

function describe({ host, pid }: LockRecord): string {
  return `process ${String(pid)} on ${host}`;
}

function inUse(path: string, owner?: LockRecord, cause?: unknown): FactoryError {
  const who = owner === undefined ? "another server" : `another server, ${describe(owner)}`;
  return new FactoryError(
    "HOST_FAILURE",
    `FACTORY_HOME (${path}) is in use by ${who}: stop that one, or set FACTORY_HOME to another folder`,
    { cause },
  );
}

function closeServer(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  return promise;
}
