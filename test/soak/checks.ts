// What must hold when all is over, whatever happened.
import { execFile } from "node:child_process";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { findLeftovers } from "../../src/process/terminate.ts";
import { isFinal, type SessionEvent } from "./subscriber.ts";
import { parentSession, type Session, type World } from "./world.ts";

const execute = promisify(execFile);

/** What the database holds of the session, as the API tells it. */
export async function readEvents(world: World, { id }: Session): Promise<SessionEvent[]> {
  const server = await world.up();
  const events: SessionEvent[] = [];
  for (;;) {
    const { workerSession } = await server.query<{ workerSession: { events: SessionEvent[] } }>(
      `query ($id: ID!, $after: Int) { workerSession(id: $id) { events(after: $after) {
        sequence
        ... on WorkerStatusEvent { status }
        ... on WorkerOutputEvent { text }
      } } }`,
      { id, after: events.at(-1)?.sequence ?? 0 },
    );
    if (workerSession.events.length === 0) return events;
    events.push(...workerSession.events);
  }
}

export function checkStream(name: string, events: readonly SessionEvent[]): string[] {
  const statuses = events.flatMap(({ status }) => (status === undefined ? [] : [status]));
  const finals = events.filter(isFinal);
  return [
    ...(events.every(({ sequence }, index) => sequence === index + 1)
      ? []
      : [`${name}: its stream has a hole or a repeat`]),
    ...(finals.length === 1 && isFinal(events.at(-1))
      ? []
      : [`${name}: ${String(finals.length)} final statuses: ${statuses.join()}`]),
  ];
}

export function checkSubscriber(
  name: string,
  seen: readonly SessionEvent[],
  events: readonly SessionEvent[],
): string[] {
  return JSON.stringify(seen) === JSON.stringify(events)
    ? []
    : [
        `${name}: a subscriber was told ${seen.map(({ sequence }) => sequence).join()}, but there are ${String(events.length)}`,
      ];
}

/** No session is LOST but by its shim's end, and none failed by what isn't its own. */
export async function checkFailures(world: World, killedShims: number): Promise<string[]> {
  const rows = await world.queryDatabase<{ number: number; status: string; reason: string }>(
    `SELECT number, status, "statusReason" AS reason FROM "WorkerSession"
     WHERE status = 'LOST' OR "failureCode" IS NOT NULL`,
  );
  const lost = rows.filter(({ status }) => status === "LOST");
  const wrong = lost.length > killedShims ? rows : rows.filter((row) => !lost.includes(row));
  return wrong.map(
    ({ number, status, reason }) => `worker-${String(number)} is ${status}: ${reason}`,
  );
}

export async function checkParent(world: World): Promise<string[]> {
  const rows = await world.queryDatabase<{ count: number; last: number }>(
    `SELECT count(*)::int AS count, s."lastSequence" AS last FROM "ParentSession" p
     JOIN "Stream" s ON s.id = p."streamId" LEFT JOIN "Event" e ON e."streamId" = s.id
     WHERE p.name = $1 GROUP BY s.id`,
    [parentSession],
  );
  return rows.every(({ count, last }) => count === last) ? [] : ["the parent's stream has a hole"];
}

export async function checkProcesses(world: World): Promise<string[]> {
  const left: string[] = [];
  for (const { name, nonce } of world.sessions) {
    const processes = await findLeftovers(nonce);
    if (processes.length > 0) left.push(`${name}: ${String(processes.length)} processes are left`);
  }
  return left;
}

export async function checkFiles({ home }: World): Promise<string[]> {
  const found: string[] = [];
  for (const root of ["repositories", "control", "sessions", "trash"]) {
    const paths = await readdir(join(home, root), { recursive: true }).catch(() => []);
    const isLeft = (path: string) =>
      /\.lock$|\.cloning-|\.making-|\.part$/.test(path) || ["sessions", "trash"].includes(root);
    found.push(...paths.filter(isLeft).map((path) => `${root}/${path} is left`));
  }
  return found;
}

/** `work`: commits that a worker said it had made. */
export async function checkRepository(
  folder: string,
  work: ReadonlyMap<string, string>,
): Promise<string[]> {
  const git = (...commandLine: string[]) => execute("git", commandLine, { cwd: folder });
  const found: string[] = [];
  await git("fsck", "--no-dangling").catch((error: unknown) => {
    found.push(`git fsck in ${folder}: ${String(error)}`);
  });
  for (const [commit, name] of work) {
    const refs = await git("for-each-ref", "--contains", commit).catch(() => ({ stdout: "" }));
    if (refs.stdout.trim() === "") found.push(`${name}: its commit ${commit} is on no branch`);
  }
  return found;
}
