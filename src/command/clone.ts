// `factory clone`: begins a clone and stays until it is there.
import { ask, Refusal } from "./ask.ts";
import { exitCodes, findServer, type Server } from "./connection.ts";
import { document } from "./document.ts";
import { follow } from "./follow.ts";
import type { RepositoryName } from "./parse.ts";
import { printJson, say } from "./print.ts";
import { openProgress } from "./progress.ts";
import { repositoryFields, tellTip, type Repository } from "./repositories.ts";
import type { CloneOptions } from "./options.ts";

interface Followed extends Repository {
  readonly lastSequence: number;
}

const cloneDocument = document<
  { readonly cloneRepository: { readonly created: boolean; readonly repository: Followed } },
  { readonly input: object }
>(`mutation ($input: CloneRepositoryInput!) {
  cloneRepository(input: $input) { created repository { lastSequence ${repositoryFields} } }
}`);

interface Change {
  readonly sequence: number;
  readonly status: string;
  readonly progress: number | null;
  readonly message: string | null;
}

const changesDocument = document<
  { readonly repositoryChanged: Change },
  RepositoryName & { readonly after: number }
>(`subscription ($owner: String!, $name: String!, $after: Int) {
  repositoryChanged(owner: $owner, name: $name, after: $after) { sequence status progress message }
}`);

const readDocument = document<
  { readonly repository: Repository | null },
  RepositoryName
>(`query ($owner: String!, $name: String!) {
  repository(owner: $owner, name: $name) { ${repositoryFields} }
}`);

export async function clone(
  name: RepositoryName,
  { url, json = false }: CloneOptions,
): Promise<number> {
  const server = await findServer();
  const { cloneRepository } = await ask(server, cloneDocument, {
    input: { ...name, ...(url === undefined ? {} : { url }) },
  });
  const { created } = cloneRepository;
  const repository =
    cloneRepository.repository.status === "CLONING"
      ? await untilCloned(server, name, cloneRepository.repository)
      : cloneRepository.repository;
  const { nameWithOwner, status, failureCode, error } = repository;
  if (status === "FAILED" && repository.lastSyncedAt === null) {
    const code = failureCode ?? "INTERNAL";
    throw new Refusal(code, `${code}: ${error ?? "the clone failed"}`);
  }
  if (json) printJson({ ...repository, created });
  else
    say(`${nameWithOwner} ${created ? "is cloned" : "was there already"}: ${tellTip(repository)}`);
  return exitCodes.done;
}

async function untilCloned(
  server: Server,
  { owner, name }: RepositoryName,
  { lastSequence, nameWithOwner }: Followed,
): Promise<Repository> {
  const progress = await openProgress(nameWithOwner);
  progress.show({ message: "cloning", percent: null });
  try {
    const changes = follow(server, {
      document: changesDocument,
      variables: { owner, name },
      after: lastSequence,
      pick: ({ repositoryChanged }) => repositoryChanged,
      isOver: () => false,
      onLost: () => {
        progress.show({ message: "the connection is lost, and tried again", percent: null });
      },
    });
    for await (const { status, message, progress: percent } of changes) {
      if (status !== "CLONING") break;
      progress.show({ message: message ?? "cloning", percent });
    }
  } finally {
    progress.close();
  }
  const { repository } = await ask(await findServer(), readDocument, { owner, name });
  if (repository !== null) return repository;
  throw new Refusal(
    "REPOSITORY_NOT_FOUND",
    `REPOSITORY_NOT_FOUND: ${nameWithOwner} was deleted meanwhile`,
  );
}
