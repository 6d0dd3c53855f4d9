// Whether what DATABASE_URL leads to gives each connection a session of Postgres of its own, on a server that writes.
import { once } from "node:events";
import type pg from "pg";
import { ConfigError } from "../config-error.ts";
import { withClient } from "./migration/client.ts";

/** A pooler that has no second session to give makes wait for it. */
const answerTimeoutMs = 5_000;

/**
 * Factory listens for notices, holds locks of sessions and prepares statements: behind a pooler that hands out
 * transactions, some of that is lost and some of it is another client's.
 * @throws ConfigError that names DATABASE_URL; FactoryError SERVICE_UNAVAILABLE where it can't be reached.
 */
export async function checkSessions(url: string): Promise<void> {
  await withClient(
    url,
    (one) =>
      withClient(
        url,
        async (two) => {
          await assertWritable(one);
          let reason: string | undefined;
          try {
            reason = await findSharing(one, two);
          } catch (error) {
            reason = error instanceof Error ? error.message : String(error);
          }
          if (reason === undefined) return;
          throw new ConfigError(
            `DATABASE_URL leads through a pooler or proxy that hands out transactions rather than sessions (${reason}): ` +
              "set it to Postgres itself, or to a pool of sessions (PgBouncer: pool_mode = session)",
          );
        },
        answerTimeoutMs,
      ),
    answerTimeoutMs,
  );
}

async function assertWritable(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ isStandby: boolean; isReadOnly: string }>(
    `SELECT pg_is_in_recovery() AS "isStandby", current_setting('transaction_read_only') AS "isReadOnly"`,
  );
  if (rows[0]?.isStandby !== true && rows[0]?.isReadOnly !== "on") return;
  throw new ConfigError(
    "DATABASE_URL leads to a Postgres that only reads, such as a standby: set it to the address of the primary",
  );
}

/** In what way two connections don't have a session each; undefined: they have. */
async function findSharing(one: pg.Client, two: pg.Client): Promise<string | undefined> {
  const expected = await holdBoth(one, two);
  // A pooler gives out next what came back last, or what has been idle for longest: one of the two orders makes
  // the connections change places.
  const again = [await holdBoth(one, two), (await holdBoth(two, one)).toReversed()];
  if (again.some((pids) => pids.join() !== expected.join())) {
    return "a connection's session changes from one transaction to the next";
  }
  return (await findSharedLock(one, two)) ?? (await findLostNotice(one, two));
}

/** The sessions that answer while both connections are in a transaction. */
async function holdBoth(first: pg.Client, second: pg.Client): Promise<number[]> {
  const pids: number[] = [];
  for (const client of [first, second]) {
    await client.query("BEGIN");
    // Prepared in the first transaction, and there in the next ones.
    const { rows } = await client.query<{ pid: number }>({
      name: "factory-check",
      text: "SELECT pg_backend_pid() AS pid",
    });
    pids.push(rows[0]?.pid ?? 0);
  }
  for (const client of [first, second]) await client.query("COMMIT");
  return pids;
}

async function findSharedLock(one: pg.Client, two: pg.Client): Promise<string | undefined> {
  const key = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
  await one.query("SELECT pg_advisory_lock($1)", [key]);
  const { rows } = await two.query<{ got: boolean }>("SELECT pg_try_advisory_lock($1) AS got", [
    key,
  ]);
  const { rows: freed } = await one.query<{ free: boolean }>(
    "SELECT pg_advisory_unlock($1) AS free",
    [key],
  );
  return rows[0]?.got === false && freed[0]?.free === true
    ? undefined
    : "a session's lock keeps no other session out";
}

async function findLostNotice(one: pg.Client, two: pg.Client): Promise<string | undefined> {
  const channel = `factory_check_${crypto.randomUUID().replaceAll("-", "")}`;
  const signal = AbortSignal.timeout(answerTimeoutMs);
  const heard = once(one, "notification", { signal }).then(
    () => undefined,
    () => "notices of NOTIFY don't arrive",
  );
  await one.query(`LISTEN ${channel}`);
  await two.query(`NOTIFY ${channel}`);
  return heard;
}
