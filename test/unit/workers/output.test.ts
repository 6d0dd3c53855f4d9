import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { connectDatabase, type DatabaseConnection } from "../../../src/database/client.ts";
import type { WorkerSession } from "../../../src/generated/prisma/client.ts";
import { createOutputStore, mostOutputBytes, OutputRefused } from "../../../src/workers/output.ts";
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
});

const start = { stdout: 0, stderr: 0 };

function open(options: { offsets?: typeof start; attempt?: number; secrets?: string[] } = {}) {
  return createOutputStore({
    pool: connection.pool,
    sessionId: session.id,
    attempt: 1,
    offsets: start,
    secrets: [],
    ...options,
  });
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
    const output = open({ offsets: { stdout: mostOutputBytes - 8, stderr: 4 } });
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
    const output = open({ offsets: { stdout: mostOutputBytes, stderr: 0 } });
    await output.store("stdout", "x", mostOutputBytes + 1);
    await output.store("stdout", "y", mostOutputBytes + 2);
    expect(await stored()).toEqual([["STDOUT", `x${marker}`]]);
    expect(await offsets()).toEqual({ stdout: mostOutputBytes + 2, stderr: 0 });
  });

  test("gets no second marker from the next server", async () => {
    const output = open({ offsets: { stdout: mostOutputBytes + 1, stderr: 0 } });
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
