// What the tests of repositories and worktrees share: asking for them, and following what becomes of them.
import type { Collected } from "./collect.ts";
import type { Answer, FactoryServer, GraphQLFault } from "./factory.ts";
import type { Files, GitServer } from "./git-server.ts";

export interface Name {
  readonly owner: string;
  readonly name: string;
}

export interface Repository extends Name {
  readonly id: string;
  readonly nameWithOwner: string;
  readonly url: string;
  readonly status: string;
  readonly failureCode: string | null;
  readonly error: string | null;
  readonly defaultBranch: string | null;
  readonly headCommit: string | null;
  readonly lastSyncedAt: string | null;
  readonly lastSequence: number;
  readonly worktreesLastSequence: number;
}

export const repositoryFields = `id owner name nameWithOwner url status failureCode error defaultBranch
  headCommit lastSyncedAt lastSequence worktreesLastSequence`;

export interface Worktree {
  readonly id: string;
  readonly branch: string;
  readonly path: string;
  readonly runner: string;
  readonly status: string;
  readonly failureCode: string | null;
  readonly error: string | null;
  readonly base: string | null;
  readonly baseCommit: string | null;
}

/** Those that are rows alone; the live ones cost a call of git each. */
export const worktreeFields = "id branch path runner status failureCode error base baseCommit";

export interface LiveWorktree {
  readonly headCommit: string | null;
  readonly commitsAhead: number | null;
  readonly changedFiles: number | null;
  readonly diff: {
    readonly text: string;
    readonly truncated: boolean;
    readonly filesChanged: number;
    readonly insertions: number;
    readonly deletions: number;
  } | null;
}

/** The code of the only error, which must be there. */
export function codeOf(answer: Answer<unknown>): string {
  return faultOf(answer).extensions.code;
}

export function faultOf({ errors = [], data }: Answer<unknown>): GraphQLFault {
  const [fault, ...more] = errors;
  if (fault !== undefined && more.length === 0) return fault;
  throw new Error(`one error was to be expected: ${JSON.stringify({ errors, data })}`);
}

function dataOf<Data>({ data, errors }: Answer<Data>): Data {
  if (errors !== undefined) throw new Error(JSON.stringify(errors));
  return data;
}

export type Input = Readonly<Record<string, unknown>>;

export interface CloneResult {
  readonly created: boolean;
  readonly repository: Repository;
}

export function sendClone(server: FactoryServer, input: Input) {
  return server.send<{ cloneRepository: CloneResult }>(
    `mutation ($input: CloneRepositoryInput!) {
      cloneRepository(input: $input) { created repository { ${repositoryFields} } }
    }`,
    { input },
  );
}

export async function clone(server: FactoryServer, input: Input): Promise<CloneResult> {
  return dataOf(await sendClone(server, input)).cloneRepository;
}

export interface SyncResult {
  readonly updated: boolean;
  readonly repository: Repository;
}

export function sendSync(server: FactoryServer, { owner, name }: Name) {
  return server.send<{ syncRepository: SyncResult }>(
    `mutation ($input: RepositoryInput!) {
      syncRepository(input: $input) { updated repository { ${repositoryFields} } }
    }`,
    { input: { owner, name } },
  );
}

export async function sync(server: FactoryServer, name: Name): Promise<SyncResult> {
  return dataOf(await sendSync(server, name)).syncRepository;
}

export function sendDeleteRepository(server: FactoryServer, input: Input) {
  return server.send<{ deleteRepository: Name }>(
    `mutation ($input: DeleteRepositoryInput!) { deleteRepository(input: $input) { owner name } }`,
    { input },
  );
}

export async function deleteRepository(server: FactoryServer, input: Input): Promise<Name> {
  return dataOf(await sendDeleteRepository(server, input)).deleteRepository;
}

export interface CreateResult {
  readonly created: boolean;
  readonly worktree: Worktree;
}

export function sendCreateWorktree(server: FactoryServer, input: Input) {
  return server.send<{ createWorktree: CreateResult }>(
    `mutation ($input: CreateWorktreeInput!) {
      createWorktree(input: $input) { created worktree { ${worktreeFields} } }
    }`,
    { input },
  );
}

export async function createWorktree(server: FactoryServer, input: Input): Promise<CreateResult> {
  return dataOf(await sendCreateWorktree(server, input)).createWorktree;
}

export function sendDeleteWorktree(server: FactoryServer, input: Input) {
  return server.send<{ deleteWorktree: Name & { branch: string } }>(
    `mutation ($input: DeleteWorktreeInput!) {
      deleteWorktree(input: $input) { owner name branch }
    }`,
    { input },
  );
}

export async function deleteWorktree(server: FactoryServer, input: Input) {
  return dataOf(await sendDeleteWorktree(server, input)).deleteWorktree;
}

export async function readRepository(
  server: FactoryServer,
  { owner, name }: Name,
): Promise<Repository | null> {
  const { repository } = await server.query<{ repository: Repository | null }>(
    `query ($owner: String!, $name: String!) {
      repository(owner: $owner, name: $name) { ${repositoryFields} }
    }`,
    { owner, name },
  );
  return repository;
}

export function sendReadWorktree(
  server: FactoryServer,
  { owner, name, branch }: Name & { branch: string },
  fields: string,
) {
  return server.send<{ worktree: unknown }>(
    `query ($owner: String!, $name: String!, $branch: String!) {
      worktree(owner: $owner, name: $name, branch: $branch) { ${fields} }
    }`,
    { owner, name, branch },
  );
}

export async function readWorktree(
  server: FactoryServer,
  worktree: Name & { branch: string },
): Promise<Worktree | null> {
  // The fields are those of the type, and one that is there has them all.
  return dataOf(await sendReadWorktree(server, worktree, worktreeFields))
    .worktree as Worktree | null;
}

/** What git says of it now. */
export async function inspectWorktree(
  server: FactoryServer,
  worktree: Name & { branch: string },
): Promise<LiveWorktree> {
  const fields = `headCommit commitsAhead changedFiles
    diff { text truncated filesChanged insertions deletions }`;
  const { worktree: found } = dataOf(await sendReadWorktree(server, worktree, fields));
  if (found === null) throw new Error(`there is no worktree ${worktree.branch}`);
  return found as LiveWorktree;
}

export interface RepositoryChange {
  readonly sequence: number;
  readonly status: string;
  readonly progress: number | null;
  readonly message: string | null;
  readonly repository: { readonly status: string } | null;
}

export function followRepository(
  server: FactoryServer,
  { owner, name }: Name,
  after?: number,
): Collected<{ repositoryChanged: RepositoryChange }> {
  return server.subscribe(
    `subscription ($owner: String!, $name: String!, $after: Int) {
      repositoryChanged(owner: $owner, name: $name, after: $after) {
        sequence status progress message repository { status }
      }
    }`,
    { owner, name, ...(after === undefined ? {} : { after }) },
  );
}

export interface WorktreeChange {
  readonly sequence: number;
  readonly branch: string;
  readonly status: string;
  readonly worktree: { readonly branch: string; readonly status: string } | null;
}

export function followWorktrees(
  server: FactoryServer,
  { owner, name }: Name,
  after?: number,
): Collected<{ worktreeChanged: WorktreeChange }> {
  return server.subscribe(
    `subscription ($owner: String!, $name: String!, $after: Int) {
      worktreeChanged(owner: $owner, name: $name, after: $after) {
        sequence branch status worktree { branch status }
      }
    }`,
    { owner, name, ...(after === undefined ? {} : { after }) },
  );
}

/** Resolves once the repository's stream, from `after` on, has told of the status. */
export async function untilRepository(
  server: FactoryServer,
  name: Name,
  status: string,
  after = 0,
): Promise<Repository> {
  const followed = followRepository(server, name, after);
  await followed.until((all) =>
    all.some(({ repositoryChanged }) => repositoryChanged.status === status),
  );
  followed.end();
  const repository = await readRepository(server, name);
  if (repository === null) throw new Error(`${name.owner}/${name.name} is gone`);
  return repository;
}

/** Makes a repository at the git server, and clones it to the end. */
export async function cloned(
  server: FactoryServer,
  git: GitServer,
  { owner, name }: Name,
  options: { files?: Files; defaultBranch?: string; empty?: boolean } = {},
): Promise<Repository> {
  await git.createRepository(owner, name, options);
  await clone(server, { owner, name, url: git.url(owner, name) });
  return untilRepository(server, { owner, name }, "SYNCED");
}
