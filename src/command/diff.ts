// `factory diff`: what a worker has changed.
import { counted } from "../counted.ts";
import { ask, Refusal } from "./ask.ts";
import { exitCodes, findServer } from "./connection.ts";
import { document } from "./document.ts";
import { oneLine, plainLines } from "./harmless.ts";
import { hint, isTerminal, printJson, say, styled, tell, type Style } from "./print.ts";
import { naming } from "./suggest.ts";
import { unknownWorker } from "./worker-events.ts";
import type { JsonOption } from "./options.ts";

interface Changes {
  readonly workerSession: {
    readonly name: string;
    readonly branch: string;
    readonly repositoryName: string;
    readonly pushedTo: string | null;
    readonly worktree: {
      readonly diff: {
        readonly text: string;
        readonly truncated: boolean;
        readonly filesChanged: number;
      } | null;
    } | null;
  } | null;
}

const diffDocument = document<Changes, { readonly id: string }>(`query ($id: ID!) {
  workerSession(id: $id) {
    name branch repositoryName pushedTo
    worktree { diff { text truncated filesChanged insertions deletions } }
  }
}`);

export async function diff(id: string, { json = false }: JsonOption): Promise<number> {
  const server = await findServer();
  const worker = await naming(server, { worker: id }, async () => {
    const { workerSession } = await ask(server, diffDocument, { id });
    if (workerSession === null) throw unknownWorker(id);
    return workerSession;
  });
  const { name, branch, repositoryName, pushedTo, worktree } = worker;
  if (worktree?.diff == null) {
    const where =
      pushedTo === null
        ? `its branch is ${oneLine(branch)} of ${repositoryName}`
        : `its branch was pushed to ${oneLine(pushedTo)}`;
    throw new Refusal(
      "WORKTREE_NOT_FOUND",
      `WORKTREE_NOT_FOUND: ${name} has no worktree, not yet or no longer; ${where}`,
    );
  }
  const { text, truncated, filesChanged } = worktree.diff;
  if (json) printJson(worktree.diff);
  else if (text === "") hint(`${name} has changed nothing`);
  else if (isTerminal()) say(plainLines(text).trimEnd().split("\n").map(colour).join("\n"));
  // As git prints it: for git apply.
  else process.stdout.write(text);
  if (truncated) tell(`The diff of ${counted(filesChanged, "file")} is cut at 1 MiB.`);
  return exitCodes.done;
}

const styles: readonly (readonly [RegExp, Style])[] = [
  [/^diff --git /, "bold"],
  [/^(---|\+\+\+|index|new file|deleted file|similarity|rename|old mode|new mode) /, "bold"],
  [/^@@/, "cyan"],
  [/^\+/, "green"],
  [/^-/, "red"],
];

function colour(line: string): string {
  const style = styles.find(([pattern]) => pattern.test(line))?.[1];
  return style === undefined ? line : styled(style, line);
}
