import DataLoader from "dataloader";
import type { AgentListing } from "../agents/definition.ts";
import type { Viewer } from "../access/viewer.ts";
import { clientSignal } from "./client-signal.ts";
import type { Context, Services } from "./context.ts";

/** One per request, or per subscription. */
export function createContext(services: Services, viewer: Viewer, signal: AbortSignal): Context {
  const { agents, workers, parents, worktrees } = services;
  // A subscription's context lives long, and what is read live must not be remembered in it.
  const cache = false;
  const asker = { viewer, signal: clientSignal(signal) };
  return {
    ...services,
    ...asker,
    loaders: {
      queueReason: new DataLoader((ids) => workers.queueReasons(ids), { cache }),
      pendingPermissions: new DataLoader((ids) => workers.pendingPermissions(ids), { cache }),
      statusEvents: new DataLoader((ids) => workers.statusEvents(ids), { cache }),
      waitingMessages: new DataLoader((ids) => workers.waitingMessages(ids), { cache }),
      workerCounts: new DataLoader((ids) => workers.countByParent(ids), { cache }),
      parentUsage: new DataLoader((ids) => parents.usageByParent(ids), { cache }),
      agent: new DataLoader((names) => findAgents(agents, names), { cache }),
      worktreeState: new DataLoader(
        (rows) => Promise.all(rows.map((worktree) => worktrees.inspect(worktree, asker))),
        { cache },
      ),
    },
  };
}

async function findAgents(
  agents: Services["agents"],
  names: readonly string[],
): Promise<(AgentListing | null)[]> {
  const listed = await agents.list();
  return names.map((name) => listed.find((agent) => agent.name === name) ?? null);
}
