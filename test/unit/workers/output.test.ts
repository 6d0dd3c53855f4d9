import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { QueryConfig } from "pg";
import { pino } from "pino";
import {
  connectDatabase,
  type DatabaseConnection,
  type Pool,
} from "../../../src/database/client.ts";
import type { WorkerSession } from "../../../src/generated/prisma/client.ts";
import type { Notice } from "../../../src/events/notices.ts";
import { mostOutputBytes } from "../../../src/workers/output-meter.ts";
import { createOutputStore, OutputRefused } from "../../../src/workers/output.ts";
import { createSecrets } from "../../../src/workers/secrets.ts";
import { createDatabase, type TestDatabase } from "../../support/postgres.ts";
import { createSession } from "./rows.ts";

let database: TestDatabase;
let connection: DatabaseConnection;
let session: WorkerSession;

beforeAll(async () => {
  database = await createDatabase();
  connection = connectDatabase(database.url, () => {});
});

afterAll(async () => {
  await connection.close();
  await database.drop();
});

beforeEach(async () => {
  ({ session } = await createSession(connection, "RUNNING"));
  told = [];
});

const logger = pino({ level: "silent" });
const start = { stdout: 0, stderr: 0 };
/** What those who follow the session's stream are told. */
let told: Notice[] = [];

interface Options {
  readonly offsets?: typeof start;
  readonly attempt?: number;
  readonly secrets?: string[];
  readonly pool?: Pool;
  readonly signal?: AbortSignal;
}

function open({ attempt = 1, secrets = [], ...more }: Options = {}) {
  const own = secrets.map((value) => ({ name: "FACTORY_TOKEN", value }));
  const output = createOutputStore({
    pool: connection.pool,
    notices: { tell: (notice) => told.push(notice) },
    session: { ...session, attempt },
    offsets: start,
    secrets: createSecrets({}, own),
    signal: new AbortController().signal,
    logger,
    ...more,
  });
  return {
    ...output,
    store: (channel: "stdout" | "stderr", text: string, endOffset: number) =>
      output.store(channel, { text, endOffset, skippedBytes: 0 }),
  };
}

/** As an earlier server left them. */
async function setOffsets({ stdout, stderr }: typeof start): Promise<typeof start> {
  await connection.prisma.workerSession.update({
    where: { id: session.id },
    data: { stdoutOffset: stdout, stderrOffset: stderr },
  });
  return { stdout, stderr };
}

async function stored(): Promise<[string, string][]> {
  const events = await connection.prisma.event.findMany({
    where: { streamId: session.streamId },
    orderBy: { sequence: "asc" },
  });
  return events.map(({ payload }) => {
    const { channel, text } = payload as { channel: string; text: string };
    return [channel, text];
  });
}

async function offsets() {
  const { stdoutOffset, stderrOffset } = await connection.prisma.workerSession.findUniqueOrThrow({
    where: { id: session.id },
  });
  return { stdout: Number(stdoutOffset), stderr: Number(stderrOffset) };
}

test("a chunk is stored together with how far its file was read", async () => {
  const output = open();
  await output.store("stdout", "one\n", 4);
  await output.store("stderr", "two\n", 4);
  await output.store("stdout", "é\n", 7);
  await output.flush();
  expect(await stored()).toEqual([
    ["STDOUT", "one\n"],
    ["STDERR", "two\n"],
    ["STDOUT", "é\n"],
  ]);
  expect(await offsets()).toEqual({ stdout: 7, stderr: 4 });
  // After the commit.
  const topic = `stream:worker:${String(session.number)}`;
  expect(told).toEqual([1, 2, 3].map((sequence) => ({ topic, sequence, subjects: [] })));
});

describe("where a secret may have begun", () => {
  const secret = "secret-0123456789";

  test("the offset stays before it, so that a server that is killed now loses nothing", async () => {
    await open({ secrets: [secret] }).store("stdout", `a ${secret.slice(0, 6)}`, 8);
    expect(await offsets()).toEqual({ stdout: 2, stderr: 0 });
    // The next server begins there.
    const next = open({ secrets: [secret], offsets: await offsets() });
    await next.store("stdout", `${secret} b`, 2 + secret.length + 2);
    await next.flush();
    const text = (await stored()).map(([, part]) => part).join("");
    expect(text).toBe("a [redacted] b");
    expect(await offsets()).toEqual({ stdout: secret.length + 4, stderr: 0 });
  });

  test("the two channels don't complete each other's secrets", async () => {
    const output = open({ secrets: [secret] });
    await output.store("stdout", secret.slice(0, 6), 6);
    await output.store("stderr", secret.slice(6), secret.length - 6);
    await output.store("stdout", secret.slice(6), secret.length);
    await output.flush();
    expect(await stored()).toEqual([
      ["STDERR", secret.slice(6)],
      ["STDOUT", "[redacted]"],
    ]);
  });
});

describe("output beyond what one session may store", () => {
  const marker = "\n[output beyond 32 MiB is not kept]\n";

  test("is dropped, with one marker that says so, counted over both channels", async () => {
    const output = open({ offsets: await setOffsets({ stdout: mostOutputBytes - 8, stderr: 4 }) });
    await output.store("stdout", "abcd", mostOutputBytes - 4);
    await output.store("stderr", "e", 5);
    await output.store("stdout", "f", mostOutputBytes - 3);
    await output.store("stderr", "g", 6);
    await output.flush();
    expect(await stored()).toEqual([
      ["STDOUT", "abcd"],
      ["STDERR", `e${marker}`],
    ]);
  });

  test("is still read, so that the worker's file is known to its end", async () => {
    const output = open({ offsets: await setOffsets({ stdout: mostOutputBytes, stderr: 0 }) });
    await output.store("stdout", "x", mostOutputBytes + 1);
    await output.store("stdout", "y", mostOutputBytes + 2);
    expect(await stored()).toEqual([["STDOUT", `x${marker}`]]);
    expect(await offsets()).toEqual({ stdout: mostOutputBytes + 2, stderr: 0 });
  });

  test("stays so where the worker empties its file again and again", async () => {
    const output = open({ offsets: await setOffsets({ stdout: mostOutputBytes - 4, stderr: 0 }) });
    await output.store("stdout", "abc", 3);
    await output.store("stdout", "de", 2);
    await output.store("stdout", "f", 1);
    expect(await stored()).toEqual([
      ["STDOUT", "abc"],
      ["STDOUT", `de${marker}`],
    ]);
  });

  test("gets no second marker from the next server", async () => {
    const output = open({ offsets: await setOffsets({ stdout: mostOutputBytes + 1, stderr: 0 }) });
    await output.store("stdout", "x", mostOutputBytes + 2);
    expect(await stored()).toEqual([]);
  });
});

describe("is refused", () => {
  test("where another attempt speaks for the session", async () => {
    const output = open({ attempt: 2 });
    await expect(output.store("stdout", "x", 1)).rejects.toThrow(OutputRefused);
    expect(await stored()).toEqual([]);
    expect(await offsets()).toEqual(start);
    expect(told).toEqual([]);
  });

  test.each(["QUEUED", "PREPARING", "SUCCEEDED", "LOST"] as const)(
    "where the session is %s",
    async (status) => {
      await connection.prisma.workerSession.update({ where: { id: session.id }, data: { status } });
      await expect(open().store("stdout", "x", 1)).rejects.toThrow(OutputRefused);
      expect(await stored()).toEqual([]);
    },
  );
});

describe("an answer that was lost", () => {
  const lost = () => Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" });

  /** The database is asked, or not, and its first answer doesn't arrive. */
  function lossyPool(reaches: boolean): Pool {
    let isFirst = true;
    const query = async (config: QueryConfig) => {
      const wasFirst = isFirst;
      isFirst = false;
      if (wasFirst && !reaches) throw lost();
      const result = await connection.pool.query(config);
      if (wasFirst) throw lost();
      return result;
    };
    return { query } as unknown as Pool;
  }

  test.each([
    ["to what was stored: it is stored once", true],
    ["to what was not stored: it is stored", false],
  ])("%s", async (_what, reaches) => {
    const secret = "secret-0123456789";
    const output = open({ pool: lossyPool(reaches), secrets: [secret] });
    await output.store("stdout", `one\n${secret.slice(0, 6)}`, 10);
    await output.store("stdout", `${secret.slice(6)}\n`, 5 + secret.length);
    await output.flush();
    expect(await stored()).toEqual([
      ["STDOUT", "one\n"],
      ["STDOUT", "[redacted]\n"],
    ]);
    expect(await offsets()).toEqual({ stdout: 5 + secret.length, stderr: 0 });
    expect(told.map(({ sequence }) => sequence)).toEqual([1, 2]);
  });

  test("ends with the signal, where no answer comes any more", async () => {
    const leaving = new AbortController();
    const pool = { query: () => Promise.reject(lost()) } as unknown as Pool;
    const storing = open({ pool, signal: leaving.signal }).store("stdout", "x", 1);
    leaving.abort(new Error("the server stops"));
    await expect(storing).rejects.toThrow(/the server stops|ECONNRESET/);
  });
});
