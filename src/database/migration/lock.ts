import type pg from "pg";
import { FactoryError } from "../../errors.ts";
import { errorCodeOf } from "../error-code.ts";

/** Any number that is the same in all versions: "fact" in ASCII. */
const lockKey = 1_717_658_484;
/** https://www.postgresql.org/docs/18/errcodes-appendix.html */
const lockNotAvailable = "55P03";

/**
 * Waits until no other server migrates; the lock goes with the connection. The engine has one of its own,
 * which gives up after 10 s.
 * @throws FactoryError SERVICE_UNAVAILABLE when the time is over.
 */
export async function takeMigrationLock(client: pg.Client, timeoutMs: number): Promise<void> {
  try {
    await client.query("SELECT set_config('lock_timeout', $1, false)", [`${timeoutMs}ms`]);
    await client.query("SELECT pg_advisory_lock($1)", [lockKey]);
    await client.query("RESET lock_timeout");
  } catch (error) {
    if (errorCodeOf(error) !== lockNotAvailable) throw error;
    throw new FactoryError(
      "SERVICE_UNAVAILABLE",
      `Another server has been migrating this database for ${timeoutMs / 1000} s. Look whether it still ` +
        `works on it (SELECT * FROM pg_stat_activity), and start again.`,
      { cause: error },
    );
  }
}
