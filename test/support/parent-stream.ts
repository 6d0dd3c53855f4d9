// Appends to a parent's stream past the server, in transactions that a test holds open.
import type pg from "pg";
import type { FactoryServer } from "./factory.ts";
import { dispatch, untilEnded, type StatusChange } from "./workers.ts";

/** Appends an event for each reason, and returns before the transaction of `client` ends. */
export type AppendToParent = (
  client: pg.Client,
  ...reasons: string[]
) => Promise<pg.QueryResult<pg.QueryResultRow>>;

/** A parent with one ended worker, and so with four events; appends further changes to its stream. */
export async function prepareParent(
  server: FactoryServer,
  database: pg.Client,
  input: { readonly parentSession: string; readonly repository: object },
): Promise<AppendToParent> {
  const { id } = await dispatch(server, { ...input, task: "true" });
  await untilEnded(server, id);
  const { rows } = await database.query<{ stream: string; worker: string }>(
    `SELECT p."streamId" AS stream, w.id AS worker FROM "ParentSession" p
     JOIN "WorkerSession" w ON w."parentSessionId" = p.id WHERE p.name = $1`,
    [input.parentSession],
  );
  const { stream, worker } = rows[0]!;
  return (client, ...reasons) =>
    client.query("SELECT append_events($1::jsonb)", [
      JSON.stringify([
        {
          stream,
          events: reasons.map((reason) => ({
            type: "worker",
            payload: {
              workerId: worker,
              previousStatus: "SUCCEEDED",
              status: "SUCCEEDED",
              reason,
              report: null,
              outcome: null,
            },
          })),
        },
      ]),
    ]);
}

/** What came of it to a subscriber. */
export const toldOf = (messages: readonly { workerStatusChanged: StatusChange }[]) =>
  messages.map(({ workerStatusChanged: { sequence, reason } }) => [sequence, reason]);
