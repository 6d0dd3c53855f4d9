// `factory answer`: what a worker asks permission for, and what it is told.
import { createInterface } from "node:readline/promises";
import { counted } from "../counted.ts";
import { ask } from "./ask.ts";
import { CommandError, exitCodes, findServer, type Server } from "./connection.ts";
import { document } from "./document.ts";
import { oneLine, plainLines } from "./harmless.ts";
import { hint, isTerminal, printJson, say } from "./print.ts";
import { naming } from "./suggest.ts";
import { permissionFields, unknownWorker, type PermissionRequest } from "./worker-events.ts";
import type { AnswerOptions } from "./options.ts";

/** More than a screen or two is read elsewhere. */
const mostDiffLines = 200;

const pendingDocument = document<
  {
    readonly workerSession: {
      readonly name: string;
      readonly status: string;
      readonly pendingPermissions: readonly PermissionRequest[];
    } | null;
  },
  { readonly id: string }
>(`query ($id: ID!) {
  workerSession(id: $id) { name status pendingPermissions { ${permissionFields} } }
}`);

const answerDocument = document<
  {
    readonly answerPermission: {
      readonly worker: { readonly name: string; readonly status: string };
    };
  },
  { readonly input: object }
>(`mutation ($input: AnswerPermissionInput!) {
  answerPermission(input: $input) { worker { name status } }
}`);

export async function answer(
  id: string,
  option: string | undefined,
  { request: requestId, json = false }: AnswerOptions,
): Promise<number> {
  const server = await findServer();
  const {
    name,
    status,
    pendingPermissions: pending,
  } = await naming(server, { worker: id }, () => readPending(server, id));
  if (option === undefined && json) {
    printJson(pending);
    return exitCodes.done;
  }
  if (pending.length === 0) {
    say(`${name} asks for nothing (${status})`);
    return option === undefined ? exitCodes.done : exitCodes.refused;
  }
  const request = choose(name, pending, requestId, option !== undefined);
  if (option === undefined) {
    for (const each of pending) list(each);
    if (request === undefined || !isTerminal() || !process.stdin.isTTY) {
      hint(`factory answer ${name} 1   answers with the first`);
      return exitCodes.done;
    }
  }
  const typed = option ?? (await prompt());
  // choose() has thrown where there is none although an option was given.
  if (typed === "" || request === undefined) return exitCodes.done;
  const optionId = findOption(request, typed);
  const { answerPermission } = await ask(server, answerDocument, {
    input: { id, requestId: request.id, optionId },
  });
  if (json) printJson(answerPermission.worker);
  else say(`${name} is answered: ${answerPermission.worker.status}`);
  return exitCodes.done;
}

async function readPending(server: Server, id: string) {
  const { workerSession } = await ask(server, pendingDocument, { id });
  if (workerSession === null) throw unknownWorker(id);
  return workerSession;
}

/** The one that is meant; undefined where several are, and that is no mistake. */
function choose(
  name: string,
  pending: readonly PermissionRequest[],
  requestId: string | undefined,
  isNeeded: boolean,
): PermissionRequest | undefined {
  const chosen = pending.filter(({ id }) => requestId === undefined || id === requestId);
  if (chosen.length === 1) return chosen[0];
  if (!isNeeded && requestId === undefined) return undefined;
  const ids = pending.map(({ id }) => id).join(", ");
  throw new CommandError(
    exitCodes.badUsage,
    `--request must say which of what ${name} asks for is answered: ${ids} ("factory answer ${name}" lists them)`,
  );
}

function list(request: PermissionRequest): void {
  const { id, title, options } = request;
  say(`${oneLine(title)}   (request ${oneLine(id)})`);
  for (const line of describeAction(request)) say(`  ${line}`);
  for (const [index, { id: optionId, name, kind }] of options.entries()) {
    const words = [...new Set([name, optionId, kind].map(oneLine))];
    say(
      `  ${String(index + 1)}  ${words[0] ?? ""}${words.length > 1 ? `   (${words.slice(1).join(", ")})` : ""}`,
    );
  }
}

/** What will be done, which the title need not say. */
function describeAction({ title, command, kind, locations, diff }: PermissionRequest): string[] {
  const changes = diff === null ? [] : plainLines(diff).split("\n");
  const left = changes.length - mostDiffLines;
  return [
    ...(kind === null ? [] : [`kind: ${oneLine(kind)}`]),
    ...(command === null || command === title
      ? []
      : plainLines(command)
          .split("\n")
          .map((line, at) => (at === 0 ? `command: ${line}` : `         ${line}`))),
    ...locations.map((place) => `at: ${oneLine(place)}`),
    ...changes.slice(0, mostDiffLines),
    ...(left > 0 ? [`and ${counted(left, "more line")}: see --json`] : []),
  ];
}

async function prompt(): Promise<string> {
  const reader = createInterface({ input: process.stdin, output: process.stdout });
  const left = Promise.withResolvers<string>();
  // The end of the input, or Ctrl-C.
  reader.once("close", () => {
    left.resolve("");
  });
  try {
    return (
      await Promise.race([reader.question("Answer (Enter leaves it): "), left.promise])
    ).trim();
  } finally {
    reader.close();
  }
}

/** By its number, its id, its name or its kind. @throws CommandError */
function findOption({ options }: PermissionRequest, typed: string): string {
  const byNumber = /^\d+$/.test(typed) ? options[Number(typed) - 1] : undefined;
  const found =
    options.find(({ id }) => id === typed) ??
    byNumber ??
    options.find(({ name, kind }) => [name, kind].some((word) => isSame(word, typed)));
  if (found !== undefined) return found.id;
  const known = options.map(({ id, name }) => `${oneLine(id)} (${oneLine(name)})`).join(", ");
  throw new CommandError(
    exitCodes.badUsage,
    `there is no option ${JSON.stringify(typed)}: it may be ${known}`,
  );
}

function isSame(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
