// `factory dispatch`: gives a task to a worker, and stays until its end where that is asked for.
import { ask } from "./ask.ts";
import type { OwnWorker } from "../client-config.ts";
import { CommandError, exitCodes, findServer, readConfig, type Server } from "./connection.ts";
import { document } from "./document.ts";
import { oneLine } from "./harmless.ts";
import { LogPrinter } from "./log-printer.ts";
import { tellConnection } from "./logs.ts";
import { hint, printJson, printJsonLine, say, tell, untilTaken } from "./print.ts";
import { followEvents, unknownWorker } from "./worker-events.ts";
import {
  describeEnded,
  showStatus,
  workerFields,
  type EndedWorker,
  type Worker,
} from "./worker-fields.ts";
import type { DispatchOptions } from "./options.ts";

const dispatchDocument = document<
  { readonly dispatchWorker: { readonly created: boolean; readonly worker: Worker } },
  { readonly input: object }
>(`mutation ($input: DispatchWorkerInput!) {
  dispatchWorker(input: $input) { created worker { ${workerFields} } }
}`);

const readDocument = document<
  { readonly workerSession: EndedWorker | null },
  { readonly id: string }
>(`query ($id: ID!) {
  workerSession(id: $id) { ${workerFields} commits { id subject } }
}`);

export async function dispatch(task: string, options: DispatchOptions): Promise<number> {
  const settings = readConfig();
  const input = toInput(task === "-" ? await readTask() : task, options, settings.worker);
  const server = await findServer(settings);
  const { dispatchWorker } = await ask(server, dispatchDocument, { input });
  const { created, worker } = dispatchWorker;
  const { json = false, wait = false, follow = false } = options;
  if (wait || follow) return stay(server, worker, options);
  if (json) printJson({ ...worker, created });
  else {
    say(
      `${worker.name} ${showStatus(worker.status)}: ${worker.repositoryName}, branch ${oneLine(worker.branch)}`,
    );
    if (!created) tell(`It was dispatched before, with the same key.`);
    hint(`factory logs ${worker.name} -f   shows what it prints`);
  }
  return exitCodes.done;
}

/** @throws CommandError where something is missing that has no default here */
function toInput(task: string, options: DispatchOptions, own: OwnWorker | undefined): object {
  const { parent = own?.name, repo = ownRepository(own), issue } = options;
  if (parent === undefined) {
    throw new CommandError(
      exitCodes.badUsage,
      "--parent is missing: say who asks, with any name of your choice, such as --parent me",
    );
  }
  if (repo === undefined && issue?.includes("://") !== true) {
    throw new CommandError(
      exitCodes.badUsage,
      "--repo is missing: give --repo OWNER/NAME, or an --issue whose URL names the repository",
    );
  }
  const given = {
    issue,
    repository: repo,
    branch: options.branch,
    base: options.base,
    agent: options.agent,
    priority: options.priority,
    timeoutSeconds: options.timeout,
    cleanup: options.cleanup,
    idempotencyKey: options.key,
    push: options.push,
    agentPush: options.allowPush,
    permissions: options.permissions,
    maxCostUsd: options.maxCost,
    maxTurns: options.maxTurns,
    retries: options.retries,
    sandbox: options.sandbox,
    network:
      options.network === undefined && options.allowHost === undefined
        ? undefined
        : { mode: options.network, allow: options.allowHost },
    maxMemoryMib: options.maxMemory,
    maxCpus: options.maxCpus,
    maxProcesses: options.maxProcesses,
  };
  // As JSON, what is undefined is left out, and the server's default holds.
  return { task, parentSession: parent, ...given };
}

function ownRepository(own: OwnWorker | undefined) {
  return own?.owner === undefined || own.repository === undefined
    ? undefined
    : { owner: own.owner, name: own.repository };
}

/** More than the server takes is not read to its end. */
const longestTaskBytes = 1024 * 1024;

async function readTask(): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const given of process.stdin) {
    const chunk = Buffer.from(given as Uint8Array);
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > longestTaskBytes) {
      throw new CommandError(exitCodes.badUsage, "the task on standard input is longer than 1 MiB");
    }
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Resolves with 0 where it has succeeded, else with 1. */
async function stay(server: Server, { name }: Worker, options: DispatchOptions): Promise<number> {
  const { follow = false, json = false } = options;
  const printer = follow && !json ? new LogPrinter({ isRaw: false }) : undefined;
  const leave = () => {
    tell(`\n${name} goes on: "factory cancel ${name}" ends it`);
    // As a shell counts the end by SIGINT.
    process.exit(130);
  };
  process.once("SIGINT", leave);
  hint(`${name} is dispatched; Ctrl-C leaves it to itself`);
  const events = followEvents(server, name, { after: 0, isBrief: !follow, ...tellConnection() });
  for await (const event of events) {
    if (follow && json) printJsonLine(event);
    printer?.print(event);
    await untilTaken();
    if (event.__typename === "WorkerStatusEvent" && event.status === "WAITING") {
      tell(
        `${name} waits for you: ${oneLine(event.reason ?? "it asks for something")} ("factory answer ${name}")`,
      );
    }
  }
  printer?.end();
  process.off("SIGINT", leave);
  const { workerSession: worker } = await ask(await findServer(), readDocument, { id: name });
  if (worker === null) throw unknownWorker(name);
  if (!json) say(describeEnded(worker));
  else if (follow) printJsonLine(worker);
  else printJson(worker);
  return worker.status === "SUCCEEDED" ? exitCodes.done : exitCodes.refused;
}
