// `factory worktree create`, `list` and `delete`.
import { ask, gitTimeoutMs, Refusal } from "./ask.ts";
import { exitCodes, findServer } from "./connection.ts";
import { document } from "./document.ts";
import { oneLine } from "./harmless.ts";
import { listWorktreePages, worktreeFields, type Worktree } from "./list-worktrees.ts";
import type { RepositoryName } from "./parse.ts";
import { hint, printJson, say, type Style } from "./print.ts";
import { naming } from "./suggest.ts";
import type { Column } from "./table.ts";
import type {
  CreateWorktreeOptions,
  ListWorktreesOptions,
  DeleteWorktreeOptions,
} from "./options.ts";

const createDocument = document<
  { readonly createWorktree: { readonly created: boolean; readonly worktree: Worktree } },
  { readonly input: object }
>(`mutation ($input: CreateWorktreeInput!) {
  createWorktree(input: $input) { created worktree { ${worktreeFields} } }
}`);

const deleteDocument = document<
  {
    readonly deleteWorktree: {
      readonly owner: string;
      readonly name: string;
      readonly branch: string;
    };
  },
  { readonly input: object }
>(`mutation ($input: DeleteWorktreeInput!) {
  deleteWorktree(input: $input) { owner name branch }
}`);

export async function createWorktree(
  name: RepositoryName,
  branch: string,
  { base, json = false }: CreateWorktreeOptions,
): Promise<number> {
  const server = await findServer();
  const input = { ...name, branch, ...(base === undefined ? {} : { base }) };
  const { createWorktree: answer } = await naming(server, { repository: joined(name) }, () =>
    ask(server, createDocument, { input }, gitTimeoutMs),
  );
  const { created, worktree } = answer;
  if (json) printJson({ ...worktree, created });
  else {
    const from =
      worktree.base === null
        ? ""
        : `, from ${oneLine(worktree.base)} at ${worktree.baseCommit?.slice(0, 8) ?? "no commit"}`;
    say(
      `${oneLine(worktree.branch)} ${created ? "is checked out" : "was checked out already"}${from}`,
    );
    say(oneLine(worktree.path));
  }
  return exitCodes.done;
}

const statusStyles: Readonly<Record<string, Style>> = {
  READY: "green",
  RUNNING: "blue",
  CREATING: "cyan",
  REMOVING: "dim",
  FAILED: "red",
};

const repositoryColumn: Column<Worktree> = {
  title: "REPOSITORY",
  text: ({ repository }) => repository.nameWithOwner,
  least: 12,
};
const columns: readonly Column<Worktree>[] = [
  { title: "BRANCH", text: ({ branch }) => branch, least: 10 },
  { title: "STATUS", text: ({ status }) => status, style: ({ status }) => statusStyles[status] },
  { title: "WORKER", text: ({ activeWorker }) => activeWorker?.name ?? null },
];
const changeColumns: readonly Column<Worktree>[] = [
  { title: "CHANGED", text: ({ uncommittedFileCount }) => uncommittedFileCount ?? null },
  { title: "COMMITS", text: ({ commitsAhead }) => commitsAhead ?? null },
];
const pathColumn: Column<Worktree> = {
  title: "PATH",
  text: ({ path, error }) => error ?? path,
  least: 20,
};

export async function listWorktrees(
  name: RepositoryName | undefined,
  { changes = false, json = false }: ListWorktreesOptions,
): Promise<number> {
  const worktrees = await listWorktreePages(await findServer(), name, changes);
  if (json) printJson(worktrees);
  else if (worktrees.length === 0) {
    say("No worktrees yet.");
    hint(
      `factory worktree create ${name === undefined ? "OWNER/NAME" : joined(name)} BRANCH   makes one; so does every dispatch`,
    );
  } else {
    const { printTable } = await import("./table.ts");
    await printTable(
      [
        ...(name === undefined ? [repositoryColumn] : []),
        ...columns,
        ...(changes ? changeColumns : []),
        pathColumn,
      ],
      worktrees,
    );
  }
  return exitCodes.done;
}

export async function deleteWorktree(
  name: RepositoryName,
  branch: string,
  options: DeleteWorktreeOptions,
): Promise<number> {
  const { force = false, deleteBranch = false, runner, json = false } = options;
  const server = await findServer();
  const input = {
    ...name,
    branch,
    force,
    deleteBranch,
    ...(runner === undefined ? {} : { runner }),
  };
  try {
    const answer = await naming(server, { repository: joined(name), branch }, () =>
      ask(server, deleteDocument, { input }, gitTimeoutMs),
    );
    if (json) printJson(answer.deleteWorktree);
    else say(`the worktree of ${oneLine(branch)} is deleted`);
  } catch (error) {
    if (!(error instanceof Refusal) || error.code !== "WORKTREE_DIRTY") throw error;
    throw new Refusal(error.code, `${error.message}\nHere that is --force.`, { cause: error });
  }
  return exitCodes.done;
}

function joined({ owner, name }: RepositoryName): string {
  return `${owner}/${name}`;
}
