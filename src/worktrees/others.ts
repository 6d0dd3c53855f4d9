import { visibleWorkers, type Viewer } from "../access/viewer.ts";
import type { Database } from "../database/client.ts";
import type { Prisma } from "../generated/prisma/client.ts";

/** Whether there are such sessions, and all of them are others' than the viewer's own and its descendants'. */
export async function areOthersAlone(
  database: Database,
  viewer: Viewer,
  sessions: Prisma.WorkerSessionWhereInput,
): Promise<boolean> {
  const select = { id: true } as const;
  const any = await database.workerSession.findFirst({ where: sessions, select });
  if (any === null) return false;
  const where = { AND: [sessions, visibleWorkers(viewer)] };
  return (await database.workerSession.findFirst({ where, select })) === null;
}
