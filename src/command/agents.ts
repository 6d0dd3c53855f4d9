// `factory agents`.
import { ask } from "./ask.ts";
import { exitCodes, findServer } from "./connection.ts";
import { document } from "./document.ts";
import { printJson } from "./print.ts";
import type { JsonOption } from "./options.ts";

export interface Agent {
  readonly name: string;
  readonly available: boolean;
  readonly unavailableReason: string | null;
  /** null: not known. */
  readonly capabilities: readonly string[] | null;
}

const agentsDocument = document<{ readonly agents: readonly Agent[] }>(
  "{ agents { name available unavailableReason capabilities } }",
);

export async function listAgents({ json = false }: JsonOption): Promise<number> {
  const { agents } = await ask(await findServer(), agentsDocument, {});
  if (json) {
    printJson(agents);
    return exitCodes.done;
  }
  const { printTable } = await import("./table.ts");
  await printTable(
    [
      { title: "AGENT", text: ({ name }) => name },
      {
        title: "AVAILABLE",
        text: ({ available }) => (available ? "yes" : "no"),
        style: ({ available }) => (available ? "green" : "red"),
      },
      { title: "CAN", text: (agent) => describe(agent), least: 20 },
      { title: "WHY NOT", text: ({ unavailableReason }) => unavailableReason, least: 20 },
    ],
    agents,
  );
  return exitCodes.done;
}

/** MAX_COST_USD is shown as max cost usd. */
function describe({ available, capabilities }: Agent): string | null {
  if (!available || capabilities === null) return null;
  return capabilities.map((name) => name.toLowerCase().replaceAll("_", " ")).join(", ");
}
