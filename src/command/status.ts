// `factory status`: what the server does, and who waits for a person.
import { counted } from "../counted.ts";
import { ask, Refusal } from "./ask.ts";
import type { Agent } from "./agents.ts";
import { exitCodes, findServer, type Server } from "./connection.ts";
import { document } from "./document.ts";
import { oneLine } from "./harmless.ts";
import { hint, printJson, say, styled } from "./print.ts";
import { styleOfStatus, type Worker } from "./worker-fields.ts";
import type { JsonOption } from "./options.ts";

interface Count {
  readonly totalCount: number;
}

interface Overview {
  readonly queued: Count;
  readonly preparing: Count;
  readonly running: Count;
  readonly waiting: Count & { readonly nodes: readonly Pick<Worker, "name" | "statusReason">[] };
  readonly all: Count;
  readonly repositories: Count;
  readonly worktrees: Count;
  readonly agents: readonly Agent[];
}

const overviewDocument = document<Overview>(`{
  queued: workerSessions(status: QUEUED, first: 0) { totalCount }
  preparing: workerSessions(status: PREPARING, first: 0) { totalCount }
  running: workerSessions(status: RUNNING, first: 0) { totalCount }
  waiting: workerSessions(status: WAITING, last: 20) { totalCount nodes { name statusReason } }
  all: workerSessions(first: 0) { totalCount }
  repositories(first: 0) { totalCount }
  worktrees(first: 0) { totalCount }
  agents { name available unavailableReason capabilities }
}`);

interface Runner {
  readonly name: string;
  readonly host: string;
  readonly version: string;
  readonly capacity: number;
  readonly running: number;
  readonly alive: boolean;
}

const runnersDocument = document<{ readonly runners: readonly Runner[] }>(
  "{ runners { name host version capacity running lastSeenAt alive } }",
);

export async function status({ json = false }: JsonOption): Promise<number> {
  const server = await findServer();
  const [overview, runners] = await Promise.all([
    ask(server, overviewDocument, {}),
    readRunners(server),
  ]);
  const { queued, preparing, running, waiting, all, agents } = overview;
  const counts = {
    queued: queued.totalCount,
    preparing: preparing.totalCount,
    running: running.totalCount,
    waiting: waiting.totalCount,
  };
  const unended = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const ended = Math.max(0, all.totalCount - unended);
  const repositories = overview.repositories.totalCount;
  const worktrees = overview.worktrees.totalCount;
  if (json) {
    const workers = { ...counts, total: all.totalCount };
    const asking = waiting.nodes;
    printJson({
      url: server.url,
      workers,
      repositories,
      worktrees,
      agents,
      runners,
      waiting: asking,
    });
    return exitCodes.done;
  }
  say(`${styled("bold", "Factory")} at ${server.url}`);
  say("");
  say(`Workers        ${tellCounts({ ...counts, ended })}`);
  say(`Repositories   ${String(repositories)}, with ${counted(worktrees, "worktree")}`);
  if (runners !== undefined)
    say(`Runners        ${runners.map(tellRunner).join("\n               ")}`);
  say(`Agents         ${tellAgents(agents)}`);
  if (waiting.nodes.length > 0) say("");
  for (const { name, statusReason } of waiting.nodes) {
    say(`${styled(["bold", "yellow"], `${name} waits for you`)}: ${oneLine(statusReason ?? "")}`);
    hint(`  factory answer ${name}`);
  }
  if (repositories === 0) hint("\nfactory clone OWNER/NAME   clones a first repository");
  return exitCodes.done;
}

/** undefined: a worker asks, who may not know. */
async function readRunners(server: Server): Promise<readonly Runner[] | undefined> {
  try {
    return (await ask(server, runnersDocument, {})).runners;
  } catch (error) {
    if (error instanceof Refusal && error.code === "FORBIDDEN") return undefined;
    throw error;
  }
}

function tellCounts(counts: Readonly<Record<string, number>>): string {
  const some = Object.entries(counts).filter(([, count]) => count > 0);
  if (some.length === 0) return "none yet";
  return some
    .map(([name, count]) => {
      const text = `${String(count)} ${name}`;
      const style = styleOfStatus(name.toUpperCase());
      return style === undefined ? text : styled(style, text);
    })
    .join(", ");
}

function tellRunner({ name, version, running, capacity, alive }: Runner): string {
  const slots = `${String(running)} of ${String(capacity)} slots in use`;
  return alive
    ? `${oneLine(name)}: ${slots}, version ${oneLine(version)}`
    : `${oneLine(name)}: ${styled("red", "away")}`;
}

function tellAgents(agents: readonly Agent[]): string {
  const ready = agents.filter(({ available }) => available).map(({ name }) => oneLine(name));
  const missing = agents.filter(({ available }) => !available).map(({ name }) => oneLine(name));
  return [
    ready.length === 0 ? undefined : ready.join(", "),
    missing.length === 0 ? undefined : styled("dim", `not installed: ${missing.join(", ")}`),
  ]
    .filter((part) => part !== undefined)
    .join("; ");
}
