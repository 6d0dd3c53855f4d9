import type { PrismaClient } from "../database/client.ts";
import { FactoryError } from "../errors.ts";
import type { WorkerSession } from "../generated/prisma/client.ts";

const namePattern = /^worker-([1-9]\d{0,8})$/;
const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export function workerName({ number }: { readonly number: number }): string {
  return `worker-${String(number)}`;
}

/** As GraphQL gives it. */
export function workerGlobalId({ id }: { readonly id: string }): string {
  return Buffer.from(`WorkerSession:${id}`).toString("base64");
}

/** @returns the number in a worker's name; undefined for any other text. */
export function workerNumber(name: string): number | undefined {
  const digits = namePattern.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** Finds a worker by its name or its global id. */
export async function findWorker(
  prisma: PrismaClient,
  nameOrId: string,
): Promise<WorkerSession | null> {
  const number = workerNumber(nameOrId);
  if (number !== undefined) return prisma.workerSession.findUnique({ where: { number } });
  const [type, id] = Buffer.from(nameOrId, "base64").toString("utf8").split(":");
  if (type !== "WorkerSession" || id === undefined || !uuidPattern.test(id)) return null;
  return prisma.workerSession.findUnique({ where: { id } });
}

/** @throws FactoryError WORKER_NOT_FOUND */
export async function getWorker(prisma: PrismaClient, nameOrId: string): Promise<WorkerSession> {
  const worker = await findWorker(prisma, nameOrId);
  if (worker !== null) return worker;
  throw new FactoryError(
    "WORKER_NOT_FOUND",
    `there is no worker ${JSON.stringify(nameOrId.slice(0, 100))}: give a name such as worker-17, or a WorkerSession's id`,
  );
}
