// A runner's claim to be there: renewed while its server runs, and void once it has been silent too long.
import { setInterval as every } from "node:timers/promises";
import type { AgentListing } from "../agents/definition.ts";
import { createBackoff } from "../backoff.ts";
import type { Database, PrismaClient } from "../database/client.ts";
import type { Logger } from "../log.ts";

/** A lease outlives so many renewals that were missed. */
const renewalsPerLease = 3;

export function renewalMs(leaseSeconds: number): number {
  return (leaseSeconds * 1000) / renewalsPerLease;
}

export interface RunnerFacts {
  readonly id: string;
  readonly host: string;
  readonly version: string;
  /** Sessions that it runs at once. */
  readonly capacity: number;
  readonly leaseSeconds: number;
  /** Whether its workers are started in a sandbox where a dispatch doesn't say. */
  readonly hasSandbox: boolean;
  /** Why it can't start any in one; null: it can. */
  readonly noSandboxReason: string | null;
  /** As they are now: programs come and go. */
  readonly agents: () => readonly AgentListing[];
}

/** Writes the row by which worktrees and sessions know who holds them, with a lease from now on. */
export async function registerRunner(prisma: PrismaClient, facts: RunnerFacts): Promise<void> {
  const { id, host, version, capacity, hasSandbox, noSandboxReason } = facts;
  await prisma.$transaction(async (transaction) => {
    // Two servers of one host that start at once must not both find the name free.
    await transaction.$queryRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`runner ${host}`}, 0))::text`;
    const taken = await transaction.runner.findFirst({ where: { name: host, NOT: { id } } });
    // A second FACTORY_HOME on one host.
    const name = taken === null ? host : `${host}-${id.slice(0, 8)}`;
    const known = { name, host, capacity, version, hasSandbox, noSandboxReason };
    // It finds out anew.
    const data = { ...known, waitReason: null };
    await transaction.runner.upsert({ where: { id }, create: { id, ...data }, update: data });
    await renewLease(transaction, facts);
  });
}

/** By the database's clock, as every judgement of a lease. */
async function renewLease(
  database: Database,
  { id, leaseSeconds, agents }: RunnerFacts,
): Promise<void> {
  const listed = agents().map(({ name, unavailableReason, protocol, capabilities }) => ({
    name,
    unavailableReason,
    protocol,
    capabilities,
  }));
  await database.$executeRaw`
    UPDATE "Runner" SET "lastSeenAt" = now(), "leaseEndsAt" = now() + ${leaseSeconds} * interval '1 s',
      agents = ${JSON.stringify(listed)}::jsonb
    WHERE id = ${id}::uuid`;
}

export interface LeaseKeeper {
  /** Lets the lease run out by itself: the workers go on, and a restart within it finds them untouched. */
  stop(): Promise<void>;
}

/** Renews the lease until it is stopped; what fails is tried again soon, as others judge by it after an outage. */
export function keepLease(prisma: PrismaClient, facts: RunnerFacts, logger: Logger): LeaseKeeper {
  const stopping = new AbortController();
  const { signal } = stopping;
  /** Whether it needs not be tried again. */
  async function renew(): Promise<boolean> {
    if (signal.aborted) return true;
    try {
      await renewLease(prisma, facts);
      return true;
    } catch (error) {
      logger.warn({ err: error }, "the runner's lease could not be renewed");
      return false;
    }
  }
  async function keep(): Promise<void> {
    for await (const _ of every(renewalMs(facts.leaseSeconds), undefined, { signal })) {
      const backoff = createBackoff({ longestMs: Math.min(2_000, renewalMs(facts.leaseSeconds)) });
      while (!(await renew())) await backoff.wait(signal);
    }
  }
  const keeping = keep().catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
  return {
    async stop() {
      stopping.abort();
      await keeping;
    },
  };
}
