import type { Database } from "../database/client.ts";
import { FactoryError } from "../errors.ts";
import { listRunners, type LeaseJudge } from "./list.ts";

/**
 * A runner for what any of them can do: the preferred one where it is alive, else the one with the most
 * free slots.
 * @throws FactoryError RUNNER_UNAVAILABLE
 */
export async function chooseRunner(
  database: Database,
  preferred: string | null | undefined,
  judge: LeaseJudge,
): Promise<string> {
  const alive = (await listRunners(database, judge)).filter((runner) => runner.alive);
  const [best] = alive.toSorted((a, b) => b.capacity - b.running - (a.capacity - a.running));
  const chosen = alive.find(({ id }) => id === preferred) ?? best;
  if (chosen !== undefined) return chosen.id;
  throw new FactoryError(
    "RUNNER_UNAVAILABLE",
    "no runner is alive: start one with `factory serve --role runner`",
  );
}
