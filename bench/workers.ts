// Clones and workers, asked for and awaited through the public API.
import type { FactoryServer } from "../test/support/factory.ts";

export interface RepositoryInput {
  readonly owner: string;
  readonly name: string;
}

/** Resolves when the clone is there. */
export async function cloneInto(
  server: FactoryServer,
  input: RepositoryInput & { readonly url: string },
): Promise<void> {
  await server.query(
    "mutation ($input: CloneRepositoryInput!) { cloneRepository(input: $input) { created } }",
    { input },
  );
  const { owner, name } = input;
  const changes = server.subscribe<{
    repositoryChanged: { status: string; message: string | null };
  }>(
    `subscription ($owner: String!, $name: String!) {
      repositoryChanged(owner: $owner, name: $name, after: 0) { status message }
    }`,
    { owner, name },
  );
  const messages = await changes.until((all) =>
    all.some(({ repositoryChanged: { status } }) => status === "SYNCED" || status === "FAILED"),
  );
  changes.end();
  const failure = messages.find(({ repositoryChanged }) => repositoryChanged.status === "FAILED");
  if (failure !== undefined) {
    throw new Error(`the clone failed: ${String(failure.repositoryChanged.message)}`);
  }
}

interface StatusMessage {
  readonly workerStatusChanged: {
    readonly status: string;
    readonly reason: string | null;
    readonly worker: { readonly name: string };
  };
}

export interface Parent {
  dispatch(input: {
    readonly repository: RepositoryInput;
    readonly branch?: string;
    readonly task: string;
    /** Default: shell. */
    readonly agent?: string;
  }): Promise<{ readonly id: string; readonly name: string }>;
  untilRunning(worker: string): Promise<void>;
  /** @throws Error where it did not succeed. */
  untilEnded(worker: string): Promise<void>;
  /** Resolves when it has ended. */
  cancel(worker: string): Promise<void>;
  worktreeOf(worker: string): Promise<string>;
}

const endings = ["SUCCEEDED", "FAILED", "CANCELLED", "TIMED_OUT", "LOST"];

/** A parent session, and what its workers do from now on. */
export function createParent(server: FactoryServer, parentSession: string): Parent {
  const changes = server.subscribe<StatusMessage>(
    `subscription ($parentSession: String!) {
      workerStatusChanged(parentSession: $parentSession, after: 0) {
        status
        reason
        worker { name }
      }
    }`,
    { parentSession },
  );

  /** @throws Error where it ended in another way. */
  async function until(worker: string, wanted: string): Promise<void> {
    const own = (all: readonly StatusMessage[]) =>
      all
        .map(({ workerStatusChanged }) => workerStatusChanged)
        .filter(({ worker: { name } }) => name === worker);
    const messages = await changes.until((all) =>
      own(all).some(({ status }) => status === wanted || endings.includes(status)),
    );
    const other = own(messages).find(({ status }) => status !== wanted && endings.includes(status));
    if (other !== undefined) {
      throw new Error(`${worker} is not ${wanted}: ${other.status}, ${String(other.reason)}`);
    }
  }

  return {
    async dispatch({ repository, ...input }) {
      const { dispatchWorker } = await server.query<{
        dispatchWorker: { worker: { id: string; name: string } };
      }>(
        "mutation ($input: DispatchWorkerInput!) { dispatchWorker(input: $input) { worker { id name } } }",
        { input: { agent: "shell", ...input, parentSession, repository } },
      );
      return dispatchWorker.worker;
    },
    untilRunning: (worker) => until(worker, "RUNNING"),
    untilEnded: (worker) => until(worker, "SUCCEEDED"),
    async cancel(id) {
      await server.query(
        "mutation ($input: CancelWorkerInput!) { cancelWorker(input: $input) { worker { id } } }",
        { input: { id } },
      );
      await until(id, "CANCELLED");
    },
    async worktreeOf(worker) {
      const { workerSession } = await server.query<{
        workerSession: { worktree: { path: string } };
      }>("query ($id: ID!) { workerSession(id: $id) { worktree { path } } }", { id: worker });
      return workerSession.worktree.path;
    },
  };
}
