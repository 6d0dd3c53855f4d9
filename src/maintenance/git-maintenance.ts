// Clones repacked, each when enough has come together.
import { step, type MaintenanceDependencies } from "./task.ts";

export async function maintainRepositories(
  { prisma, repositories, logger }: MaintenanceDependencies,
  signal: AbortSignal,
): Promise<string[]> {
  const lines: string[] = [];
  // One that is being cloned or deleted will be there, or not, the next time.
  const rows = await prisma.repository.findMany({
    where: { status: { notIn: ["CLONING", "REMOVING"] } },
    orderBy: { id: "asc" },
  });
  for (const repository of rows) {
    signal.throwIfAborted();
    const name = `${repository.owner}/${repository.name}`;
    const done = await step(logger, `Repacking ${name}`, async () => {
      const git = repositories.open(repository);
      if (!(await git.exists()) || !(await git.isCluttered({ signal }))) return [];
      await git.maintain({ signal });
      return [`Repacked ${name}.`];
    });
    lines.push(...done);
  }
  return lines;
}
