// `factory workers`: the list.
import { ask } from "./ask.ts";
import { exitCodes, findServer } from "./connection.ts";
import { document } from "./document.ts";
import { oneLine } from "./harmless.ts";
import { hint, printJson, say, tell } from "./print.ts";
import { adviseParent, isParent } from "./suggest.ts";
import { workerFields, type Worker } from "./worker-fields.ts";
import type { ListWorkersOptions } from "./options.ts";

interface Page {
  readonly workerSessions: {
    readonly nodes: readonly Worker[];
    readonly pageInfo: { readonly hasPreviousPage: boolean; readonly startCursor: string | null };
  };
}

const listDocument = document<
  Page,
  {
    readonly parent: string | null;
    readonly status: readonly string[] | null;
    readonly before: string | null;
  }
>(`query ($parent: String, $status: [WorkerStatus!], $before: String) {
  workerSessions(parentSession: $parent, status: $status, last: 100, before: $before) {
    nodes { ${workerFields} }
    pageInfo { hasPreviousPage startCursor }
  }
}`);

export async function listWorkers(options: ListWorkersOptions): Promise<number> {
  const { parent = null, status = null, all = false, json = false } = options;
  const server = await findServer();
  // Loaded while the server works on its answer.
  const drawing = json ? undefined : loadDrawing();
  const pages: (readonly Worker[])[] = [];
  let before: string | null = null;
  let isCut = false;
  do {
    const page: Page = await ask(server, listDocument, { parent, status, before });
    pages.unshift(page.workerSessions.nodes);
    before = page.workerSessions.pageInfo.startCursor;
    isCut = page.workerSessions.pageInfo.hasPreviousPage;
  } while (all && isCut);
  const workers = pages.flat();

  if (drawing === undefined) printJson(workers);
  else if (workers.length > 0) {
    const [{ printTable }, { workerColumns }] = await drawing;
    await printTable(workerColumns(workers), workers);
  } else if (parent === null && status === null) {
    say("No workers yet.");
    hint('factory dispatch "ls -la" --agent shell --parent me --repo OWNER/NAME   dispatches one');
  } else {
    say("No such workers.");
    if (parent !== null && !(await isParent(server, parent))) {
      tell(`${oneLine(parent)} has not dispatched yet.${await adviseParent(server, parent)}`);
    }
    hint("factory workers   lists all");
  }
  if (isCut) tell(`These are the latest ${String(workers.length)}: --all lists all.`);
  return exitCodes.done;
}

function loadDrawing() {
  return Promise.all([import("./table.ts"), import("./worker-table.ts")]);
}
