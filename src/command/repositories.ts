// `factory repos` and `factory sync`.
import { span } from "./age.ts";
import { ask, gitTimeoutMs } from "./ask.ts";
import { exitCodes, findServer } from "./connection.ts";
import { document } from "./document.ts";
import { oneLine } from "./harmless.ts";
import type { RepositoryName } from "./parse.ts";
import { hint, printJson, say, type Style } from "./print.ts";
import { naming } from "./suggest.ts";
import type { Column } from "./table.ts";
import type { JsonOption } from "./options.ts";

/** Fields of a Repository that every command tells of it. */
export const repositoryFields = `
  id owner name nameWithOwner url status defaultBranch headCommit lastSyncedAt failureCode error createdAt`;

export interface Repository {
  readonly nameWithOwner: string;
  readonly status: string;
  readonly defaultBranch: string | null;
  readonly headCommit: string | null;
  readonly lastSyncedAt: string | null;
  readonly failureCode: string | null;
  readonly error: string | null;
}

interface Page {
  readonly repositories: {
    readonly nodes: readonly Repository[];
    readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
  };
}

const listDocument = document<Page, { readonly after: string | null }>(`query ($after: String) {
  repositories(first: 100, after: $after) {
    nodes { ${repositoryFields} }
    pageInfo { hasNextPage endCursor }
  }
}`);

const syncDocument = document<
  { readonly syncRepository: { readonly updated: boolean; readonly repository: Repository } },
  { readonly input: RepositoryName }
>(`mutation ($input: RepositoryInput!) {
  syncRepository(input: $input) { updated repository { ${repositoryFields} } }
}`);

const statusStyles: Readonly<Record<string, Style>> = {
  SYNCED: "green",
  CLONING: "cyan",
  SYNCING: "cyan",
  FAILED: "red",
  REMOVING: "dim",
};

const columns: readonly Column<Repository>[] = [
  { title: "REPOSITORY", text: ({ nameWithOwner }) => nameWithOwner, least: 16 },
  { title: "STATUS", text: ({ status }) => status, style: ({ status }) => statusStyles[status] },
  { title: "BRANCH", text: ({ defaultBranch }) => defaultBranch, least: 8 },
  { title: "COMMIT", text: ({ headCommit }) => headCommit?.slice(0, 8) ?? null },
  {
    title: "SYNCED",
    text: ({ lastSyncedAt }) => (lastSyncedAt === null ? "never" : `${span(lastSyncedAt)} ago`),
  },
];
const errorColumn: Column<Repository> = {
  title: "ERROR",
  text: ({ failureCode, error }) => [failureCode, error].filter(Boolean).join(": "),
  least: 12,
};

export async function listRepositories({ json = false }: JsonOption): Promise<number> {
  const server = await findServer();
  const repositories: Repository[] = [];
  let after: string | null = null;
  do {
    const page: Page = await ask(server, listDocument, { after });
    repositories.push(...page.repositories.nodes);
    const { hasNextPage, endCursor } = page.repositories.pageInfo;
    after = hasNextPage ? endCursor : null;
  } while (after !== null);

  if (json) printJson(repositories);
  else if (repositories.length === 0) {
    say("No repositories yet.");
    hint("factory clone OWNER/NAME   clones one");
  } else {
    const { printTable } = await import("./table.ts");
    const hasError = repositories.some(({ error }) => error !== null);
    await printTable(hasError ? [...columns, errorColumn] : columns, repositories);
  }
  return exitCodes.done;
}

export async function sync(input: RepositoryName, { json = false }: JsonOption): Promise<number> {
  const server = await findServer();
  const { syncRepository } = await naming(
    server,
    { repository: `${input.owner}/${input.name}` },
    () => ask(server, syncDocument, { input }, gitTimeoutMs),
  );
  const { updated, repository } = syncRepository;
  if (json) printJson({ ...repository, updated });
  else
    say(
      `${repository.nameWithOwner} is synced: ${tellTip(repository)}, ${updated ? "which moved" : "as before"}`,
    );
  return exitCodes.done;
}

export function tellTip({ defaultBranch, headCommit }: Repository): string {
  if (headCommit === null) return "it has no commits yet";
  return `${oneLine(defaultBranch ?? "HEAD")} is at ${headCommit.slice(0, 8)}`;
}
