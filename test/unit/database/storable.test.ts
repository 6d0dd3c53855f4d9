// What others write holds what Postgres can't: it is made storable where it is stored, whatever the column.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { connectDatabase, type DatabaseConnection } from "../../../src/database/client.ts";
import { createDatabase, type TestDatabase } from "../../support/postgres.ts";

let database: TestDatabase;
let connection: DatabaseConnection;

beforeAll(async () => {
  database = await createDatabase();
  connection = connectDatabase(database.url, () => {});
});

afterAll(async () => {
  await connection.close();
  await database.drop();
});

const dirty = "a\0b\ud800c\udc00d\u{1f600}";
const clean = "a\uFFFDb\uFFFDc\uFFFDd\u{1f600}";
/** Text that is JSON, and whose escapes are nobody's to change. */
const quoted = JSON.stringify({ text: dirty });

test("Prisma's text and JSON columns hold it, inside and outside of a transaction", async () => {
  const make = (prisma: Pick<DatabaseConnection["prisma"], "runner">, name: string) =>
    prisma.runner.create({
      data: {
        name: name + dirty,
        host: quoted,
        version: "1",
        capacity: 1,
        agents: [{ [dirty]: [dirty, { deeper: dirty }], quoted }],
      },
    });
  for (const row of [
    await make(connection.prisma, "one"),
    await connection.prisma.$transaction((transaction) => make(transaction, "two")),
  ]) {
    expect(row.name.endsWith(clean)).toBe(true);
    expect(row.host).toBe(quoted);
    expect(row.agents).toEqual([{ [clean]: [clean, { deeper: clean }], quoted }]);
  }
  const found = await connection.prisma.runner.findMany({
    where: { name: { in: [`one${dirty}`] } },
  });
  expect(found).toHaveLength(1);
});

test("raw statements of Prisma and of the pool hold it, in text, lists and JSON", async () => {
  const json = JSON.stringify({ [dirty]: dirty, quoted });
  const expected = { text: clean, quoted, list: [clean], json: { [clean]: clean, quoted } };
  const raw = await connection.prisma.$queryRaw`
    SELECT ${dirty}::text AS text, ${quoted}::text AS quoted, ${[dirty]}::text[] AS list,
           ${json}::jsonb AS json`;
  expect(raw).toEqual([expected]);
  const text =
    "SELECT $1::text AS text, $2::text AS quoted, $3::text[] AS list, $4::text::jsonb AS json";
  const values = [dirty, quoted, [dirty], json];
  expect((await connection.pool.query(text, values)).rows).toEqual([expected]);
  expect((await connection.pool.query({ name: "named", text, values })).rows).toEqual([expected]);
  // pg itself sends an object as JSON.
  const sent = await connection.pool.query("SELECT $1::jsonb AS json", [{ [dirty]: dirty }]);
  expect(sent.rows).toEqual([{ json: { [clean]: clean } }]);
  // Nothing that was given was changed.
  expect(values[0]).toBe(dirty);
});

test("bytes and dates pass as they are", async () => {
  const bytes = Buffer.from([0, 0xff, 0xd8]);
  const at = new Date("2026-01-02T03:04:05.678Z");
  const { rows } = await connection.pool.query("SELECT $1::bytea AS bytes, $2::timestamptz AS at", [
    bytes,
    at,
  ]);
  expect(rows).toEqual([{ bytes, at }]);
});

test("a text that is longer than any that makes sense is cut", async () => {
  const long = "x".repeat(17 * 1024 * 1024);
  const { rows } = await connection.pool.query<{ text: number; json: number }>(
    "SELECT length($1) AS text, length($2::jsonb ->> 'a') AS json",
    [long, JSON.stringify({ a: long })],
  );
  expect(rows).toEqual([{ text: 16 * 1024 * 1024, json: 16 * 1024 * 1024 }]);
});
