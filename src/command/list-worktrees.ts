// All worktrees, or those of a repository, page by page.
import { ask, Refusal } from "./ask.ts";
import type { Server } from "./connection.ts";
import { document } from "./document.ts";
import type { RepositoryName } from "./parse.ts";
import { naming } from "./suggest.ts";

/** Fields of a Worktree that every command tells of it. */
export const worktreeFields = `
  id branch base baseCommit path runner status failureCode error createdAt
  repository { nameWithOwner } activeWorker { name }`;

export interface Worktree {
  readonly branch: string;
  readonly base: string | null;
  readonly baseCommit: string | null;
  readonly path: string;
  readonly status: string;
  readonly error: string | null;
  readonly repository: { readonly nameWithOwner: string };
  readonly activeWorker: { readonly name: string } | null;
  /** Where they were asked for, each of which takes a call of git. */
  readonly uncommittedFileCount?: number | null;
  readonly commitsAhead?: number | null;
}

interface Page {
  readonly nodes: readonly Worktree[];
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
}

interface Paging {
  readonly after: string | null;
  readonly changes: boolean;
}

const page = `{
  nodes { ${worktreeFields}
    uncommittedFileCount @include(if: $changes) changedFiles @include(if: $changes)
    commitsAhead @include(if: $changes) }
  pageInfo { hasNextPage endCursor }
}`;

const allDocument = document<
  { readonly worktrees: Page },
  Paging
>(`query ($after: String, $changes: Boolean!) {
  worktrees(first: 100, after: $after) ${page}
}`);

const ofOneDocument = document<
  { readonly repository: { readonly worktrees: Page } | null },
  Paging & RepositoryName
>(`query ($owner: String!, $name: String!, $after: String, $changes: Boolean!) {
  repository(owner: $owner, name: $name) { worktrees(first: 100, after: $after) ${page} }
}`);

/** Looking into a hundred worktrees takes git a while. */
const timeoutMs = 600_000;

export async function listWorktreePages(
  server: Server,
  name: RepositoryName | undefined,
  changes: boolean,
): Promise<Worktree[]> {
  const worktrees: Worktree[] = [];
  let after: string | null = null;
  do {
    const { nodes, pageInfo }: Page =
      name === undefined
        ? (await ask(server, allDocument, { after, changes }, timeoutMs)).worktrees
        : await readPage(server, name, { after, changes });
    worktrees.push(...nodes);
    after = pageInfo.hasNextPage ? pageInfo.endCursor : null;
  } while (after !== null);
  return worktrees;
}

async function readPage(server: Server, name: RepositoryName, paging: Paging): Promise<Page> {
  const whole = `${name.owner}/${name.name}`;
  return naming(server, { repository: whole }, async () => {
    const variables = { ...name, ...paging };
    const { repository } = await ask(server, ofOneDocument, variables, timeoutMs);
    if (repository !== null) return repository.worktrees;
    throw new Refusal(
      "REPOSITORY_NOT_FOUND",
      `REPOSITORY_NOT_FOUND: there is no repository ${whole}: "factory clone ${whole}" clones it`,
    );
  });
}
