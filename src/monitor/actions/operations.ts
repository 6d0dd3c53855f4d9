// What a person can have done.
import { graphql } from "../client/graphql.ts";

export const cloneRepository = graphql(`
  mutation CloneRepository($input: CloneRepositoryInput!) {
    cloneRepository(input: $input) {
      created
      repository {
        id
        nameWithOwner
      }
    }
  }
`);

export const syncRepository = graphql(`
  mutation SyncRepository($input: RepositoryInput!) {
    syncRepository(input: $input) {
      updated
      repository {
        id
        nameWithOwner
      }
    }
  }
`);

export const deleteRepository = graphql(`
  mutation DeleteRepository($input: DeleteRepositoryInput!) {
    deleteRepository(input: $input) {
      owner
      name
    }
  }
`);

export const createWorktree = graphql(`
  mutation CreateWorktree($input: CreateWorktreeInput!) {
    createWorktree(input: $input) {
      created
      worktree {
        id
        branch
        path
      }
    }
  }
`);

export const deleteWorktree = graphql(`
  mutation DeleteWorktree($input: DeleteWorktreeInput!) {
    deleteWorktree(input: $input) {
      branch
    }
  }
`);

/** What is in it now, by git. */
export const worktreeState = graphql(`
  query WorktreeState($owner: String!, $name: String!, $branch: String!, $runner: String!) {
    worktree(owner: $owner, name: $name, branch: $branch, runner: $runner) {
      id
      uncommittedFileCount
      commitsAhead
      activeWorker {
        name
      }
    }
  }
`);

export const dispatchWorker = graphql(`
  mutation DispatchWorker($input: DispatchWorkerInput!) {
    dispatchWorker(input: $input) {
      created
      worker {
        id
        name
        branch
      }
    }
  }
`);

export const agentsQuery = graphql(`
  query Agents {
    agents {
      name
      available
      unavailableReason
      capabilities
    }
  }
`);
