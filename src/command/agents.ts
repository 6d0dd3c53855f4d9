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
}

const agentsDocument = document<{ readonly agents: readonly Agent[] }>(
  "{ agents { name available unavailableReason } }",
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
      { title: "WHY NOT", text: ({ unavailableReason }) => unavailableReason, least: 20 },
    ],
    agents,
  );
  return exitCodes.done;
}
