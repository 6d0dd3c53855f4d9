// Rows and files put right where a kill, an outage or somebody's hand has left them apart. What may hold
// work that is nowhere else stays, and is told.
import { readdir } from "node:fs/promises";
import { join, relative } from "node:path";
import { counted } from "../counted.ts";
import { removeTree } from "../process/remove-tree.ts";
import { removeSessionFolder } from "../process/session-folder.ts";
import { terminateAll } from "../process/terminate.ts";
import { sessionNonce } from "../workers/start.ts";
import { activeStatuses } from "../workers/states.ts";
import { step, type MaintenanceDependencies } from "./task.ts";

export async function sweep(deps: MaintenanceDependencies, signal: AbortSignal): Promise<string[]> {
  const { prisma, git, repositories, worktrees, logger } = deps;
  const lines: string[] = [];
  const folders = await readdir(join(deps.home, "sessions"));
  for (const folder of folders) {
    signal.throwIfAborted();
    lines.push(
      ...(await step(logger, `Clearing sessions/${folder}`, () =>
        sweepSession(deps, folder, signal),
      )),
    );
  }
  lines.push(...(await step(logger, "Clearing homes", () => sweepHomes(deps, signal))));
  lines.push(
    ...(await step(logger, "Looking for rows without work", () =>
      repositories.sweep(deps.runnerId),
    )),
  );
  // Before the rows: a clone that came after them would be taken for one without a row.
  const clones = await git.listRepositories();
  const rows = await prisma.repository.findMany({ orderBy: { id: "asc" } });
  for (const repository of rows) {
    signal.throwIfAborted();
    const name = `${repository.owner}/${repository.name}`;
    lines.push(...(await step(logger, `Sweeping ${name}`, () => worktrees.sweep(repository))));
  }
  const known = new Set(rows.map((repository) => repositories.open(repository).path));
  for (const clone of clones) {
    if (known.has(clone)) continue;
    lines.push(
      `Left ${relative(deps.home, clone)}: no repository in this database has it; clone it again to take it up, or delete the folder.`,
    );
  }
  signal.throwIfAborted();
  lines.push(...(await step(logger, "Clearing half clones", () => git.sweep())));
  return lines;
}

/** <session's id>-<attempt> */
const folderName = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-([1-9]\d{0,8})$/;

/** The folder of an attempt that nobody works on any more goes, and whatever still runs of it. */
async function sweepSession(
  { prisma, home, runnerId, isUnderway, killGraceMs }: MaintenanceDependencies,
  folder: string,
  signal: AbortSignal,
): Promise<string[]> {
  const [, id, attempt] = folderName.exec(folder) ?? [];
  if (id === undefined) return [`Left sessions/${folder}: it is no session's folder.`];
  // Read after the folder was seen: it is made for a session that is PREPARING here already.
  const session = await prisma.workerSession.findUnique({
    where: { id },
    select: { number: true, status: true, attempt: true, runnerId: true },
  });
  if (session === null) {
    return [
      `Left sessions/${folder}: its session is in another database; use that one, or end its processes and delete the folder.`,
    ];
  }
  const isItsAttempt =
    session.attempt === Number(attempt) &&
    session.runnerId === runnerId &&
    (activeStatuses as readonly string[]).includes(session.status);
  if (isItsAttempt || isUnderway(id)) return [];

  const nonce = sessionNonce({ id, attempt: Number(attempt) });
  const ended = await terminateAll({ identity: undefined, nonce, graceMs: killGraceMs, signal });
  signal.throwIfAborted();
  const name = `attempt ${String(attempt)} of worker-${String(session.number)}`;
  if (ended.remaining.length > 0) {
    return [
      `Left sessions/${folder}, of ${name}: ${String(ended.remaining.length)} of its processes can't be ended.`,
    ];
  }
  await removeSessionFolder(join(home, "sessions", folder));
  const count = ended.signalled.length;
  const processes = counted(count, "process", "processes");
  return [
    count === 0
      ? `Removed the folder of ${name}, which isn't under way here any more.`
      : `Ended ${processes} of ${name}, which isn't under way here any more, and removed its folder.`,
  ];
}

/** What agents kept of their conversations goes with the worktree in which they had them. */
async function sweepHomes(
  { prisma, home }: MaintenanceDependencies,
  signal: AbortSignal,
): Promise<string[]> {
  const folder = join(home, "homes");
  let removed = 0;
  for (const id of await readdir(folder)) {
    signal.throwIfAborted();
    if (!worktreeId.test(id)) continue;
    if ((await prisma.worktree.findUnique({ where: { id }, select: { id: true } })) !== null)
      continue;
    await removeTree(join(folder, id));
    removed += 1;
  }
  if (removed === 0) return [];
  return [
    `Removed the conversations of ${counted(removed, "worktree", "worktrees")} that are gone.`,
  ];
}

const worktreeId = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
