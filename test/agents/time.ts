// How long a run may take: FACTORY_AGENT_SECONDS, of which the configuration makes a deadline. What it has no
// time for is left out, and says so.
const deadline = process.env["FACTORY_AGENT_DEADLINE"];

export const isLimited = deadline !== undefined;

/** Milliseconds; Infinity where there is no limit. */
export function timeLeft(): number {
  return deadline === undefined ? Infinity : Number(deadline) - Date.now();
}
