// Rows for tests of what is written to them: a session in any status, with its parent and worktree.
import type { DatabaseConnection } from "../../../src/database/client.ts";
import type { WorkerSession, Worktree } from "../../../src/generated/prisma/client.ts";
import type { WorkerStatus } from "../../../src/generated/prisma/enums.ts";

let count = 0;

/** A repository with one worktree, a runner, and a session of that worktree. */
export async function createSession(
  { prisma }: DatabaseConnection,
  status: WorkerStatus,
): Promise<{ session: WorkerSession; worktree: Worktree }> {
  count += 1;
  const name = `thing-${String(count)}`;
  const stream = (kind: string) => ({ create: { key: `${kind}:${name}` } });
  const runner = await prisma.runner.create({
    data: { name, host: "here", version: "0", capacity: 1 },
  });
  const repository = await prisma.repository.create({
    data: {
      owner: "acme",
      name,
      key: `acme/${name}`,
      url: "https://example.org/x.git",
      status: "SYNCED",
      stream: stream("repository"),
      worktreeStream: stream("worktrees"),
    },
  });
  const worktree = await prisma.worktree.create({
    data: {
      branch: "work",
      path: `/nowhere/${name}`,
      status: worktreeStatus(status),
      repositoryId: repository.id,
      runnerId: runner.id,
    },
  });
  const session = await prisma.workerSession.create({
    data: {
      status,
      task: "true",
      agent: "shell",
      branch: "work",
      branchGiven: true,
      tokenHash: name,
      stream: stream("worker"),
      parentSession: { create: { name, stream: stream("parent") } },
      repository: { connect: { id: repository.id } },
      repositoryOwner: "acme",
      repositoryName: name,
      worktree: { connect: { id: worktree.id } },
      runner: { connect: { id: runner.id } },
    },
  });
  return { session, worktree };
}

export function worktreeStatus(status: WorkerStatus): "RUNNING" | "READY" {
  return status === "RUNNING" || status === "WAITING" ? "RUNNING" : "READY";
}
