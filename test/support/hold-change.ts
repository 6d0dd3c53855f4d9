// Holds the server in the middle of a transaction, where a test wants it.
import pg from "pg";
import { eventually } from "./workers.ts";

const lockNumber = 7_204_242;

export interface HeldChange {
  /** Resolves when the server has come to the change, and waits there. */
  reached(): Promise<void>;
  /** Lets it go on. */
  release(): Promise<void>;
  /** For a server that was killed: gives up the change where it waits. */
  abandon(): Promise<void>;
}

/** From here on nobody gets beyond that change; `when` is the event and the condition of a trigger. */
export async function holdChange(
  databaseUrl: string,
  { table, when }: { readonly table: string; readonly when: string },
): Promise<HeldChange> {
  const holder = new pg.Client({ connectionString: databaseUrl });
  await holder.connect();
  await holder.query(
    `CREATE OR REPLACE FUNCTION wait_for_test() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
       PERFORM pg_advisory_xact_lock(${String(lockNumber)});
       RETURN coalesce(NEW, OLD);
     END $$`,
  );
  await holder.query(`SELECT pg_advisory_lock(${String(lockNumber)})`);
  await holder.query(
    `CREATE TRIGGER wait_for_test BEFORE ${when} EXECUTE FUNCTION wait_for_test()`,
  );
  const waiting = `FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = ${String(lockNumber)}`;

  async function end(): Promise<void> {
    await holder.query(`SELECT pg_advisory_unlock(${String(lockNumber)})`);
    await holder.query(`DROP TRIGGER wait_for_test ON "${table}"`);
    await holder.end();
  }

  return {
    reached: () =>
      eventually(async () => {
        const { rowCount } = await holder.query(`SELECT 1 ${waiting}`);
        return rowCount !== 0;
      }),
    release: end,
    async abandon() {
      // What waits for the lock doesn't see that its client is gone, and would hold its rows.
      await holder.query(`SELECT pg_terminate_backend(pid) ${waiting}`);
      await end();
    },
  };
}
