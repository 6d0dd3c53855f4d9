// What the overview asks for. Facts never change, and a task may be long: they are read once; states again and again.
import { graphql, type ResultOf } from "../client/graphql.ts";

const workerState = graphql(`
  fragment WorkerState on WorkerSession {
    id
    status
    statusReason
    failureCode
    startedAt
    finishedAt
    usage {
      costUsd
      inputTokens
      outputTokens
    }
    pendingPermissions {
      id
      title
      command
      kind
      locations
      diff
      options {
        id
        name
        kind
      }
    }
  }
`);

const workerFacts = graphql(`
  fragment WorkerFacts on WorkerSession {
    id
    name
    agent
    task
    issue
    branch
    priority
    repositoryName
    createdAt
    parentSession {
      id
      name
    }
    previous {
      id
    }
  }
`);

const parentFields = graphql(`
  fragment ParentFields on ParentSession {
    id
    name
    createdAt
    lastSequence
    maxCostUsd
    usage {
      costUsd
      inputTokens
      outputTokens
    }
    workerCounts {
      total
      running
      waiting
      queued
      preparing
      succeeded
      failed
      cancelled
      timedOut
      lost
    }
  }
`);

const repositoryFields = graphql(`
  fragment RepositoryFields on Repository {
    id
    owner
    name
    nameWithOwner
    url
    status
    error
    failureCode
    defaultBranch
    lastSyncedAt
    lastSequence
    createdAt
  }
`);

const worktreeFields = graphql(`
  fragment WorktreeFields on Worktree {
    id
    branch
    status
    error
    runner
    path
    createdAt
    repository {
      id
      owner
      name
      nameWithOwner
    }
    activeWorker {
      id
      name
    }
  }
`);

export type WorkerState = ResultOf<typeof workerState>;
export type WorkerFacts = ResultOf<typeof workerFacts>;
export type Worker = WorkerState & WorkerFacts;
export type WorkerStatus = Worker["status"];
export type Parent = ResultOf<typeof parentFields>;
export type Repository = ResultOf<typeof repositoryFields>;
export type Worktree = ResultOf<typeof worktreeFields>;

export const overviewChanged = graphql(`
  subscription OverviewChanged {
    overviewChanged {
      workerSessions
      parentSessions
      repositories
      worktrees
    }
  }
`);

/** A page of those with these statuses, from the youngest on. */
export const workerPage = graphql(
  `
    query WorkerPage($status: [WorkerStatus!], $last: Int!, $before: String) {
      workerSessions(status: $status, last: $last, before: $before) {
        nodes {
          ...WorkerState
          ...WorkerFacts
        }
        pageInfo {
          hasPreviousPage
          startCursor
        }
      }
    }
  `,
  [workerState, workerFacts],
);

/** The same without the facts. */
export const workerStatePage = graphql(
  `
    query WorkerStatePage($status: [WorkerStatus!], $last: Int!, $before: String) {
      workerSessions(status: $status, last: $last, before: $before) {
        nodes {
          ...WorkerState
        }
        pageInfo {
          hasPreviousPage
          startCursor
        }
      }
    }
  `,
  [workerState],
);

export const parentPage = graphql(
  `
    query ParentPage($last: Int!) {
      parentSessions(last: $last) {
        nodes {
          ...ParentFields
        }
      }
    }
  `,
  [parentFields],
);

export const places = graphql(
  `
    query Places($first: Int!) {
      repositories(first: $first) {
        totalCount
        nodes {
          ...RepositoryFields
        }
      }
      worktrees(last: $first) {
        totalCount
        nodes {
          ...WorktreeFields
        }
      }
    }
  `,
  [repositoryFields, worktreeFields],
);

export const countsQuery = graphql(`
  query Counts {
    QUEUED: workerSessions(status: [QUEUED]) {
      totalCount
    }
    PREPARING: workerSessions(status: [PREPARING]) {
      totalCount
    }
    RUNNING: workerSessions(status: [RUNNING]) {
      totalCount
    }
    WAITING: workerSessions(status: [WAITING]) {
      totalCount
    }
    SUCCEEDED: workerSessions(status: [SUCCEEDED]) {
      totalCount
    }
    FAILED: workerSessions(status: [FAILED]) {
      totalCount
    }
    CANCELLED: workerSessions(status: [CANCELLED]) {
      totalCount
    }
    TIMED_OUT: workerSessions(status: [TIMED_OUT]) {
      totalCount
    }
    LOST: workerSessions(status: [LOST]) {
      totalCount
    }
  }
`);

/** Why each of them waits: it changes with every other one, and is told by no event. */
export const queueReasons = graphql(`
  query QueueReasons($first: Int!) {
    workerSessions(status: [QUEUED], first: $first) {
      nodes {
        id
        statusReason
      }
    }
  }
`);

/** One that has changed; null: it is gone. So with the rest. */
export const workerNode = graphql(
  `
    query WorkerNode($id: ID!) {
      node(id: $id) {
        ... on WorkerSession {
          ...WorkerState
        }
      }
    }
  `,
  [workerState],
);

/** One that is new. */
export const newWorkerNode = graphql(
  `
    query NewWorkerNode($id: ID!) {
      node(id: $id) {
        ... on WorkerSession {
          ...WorkerState
          ...WorkerFacts
        }
      }
    }
  `,
  [workerState, workerFacts],
);

export const parentNode = graphql(
  `
    query ParentNode($id: ID!) {
      node(id: $id) {
        ... on ParentSession {
          ...ParentFields
        }
      }
    }
  `,
  [parentFields],
);

export const repositoryNode = graphql(
  `
    query RepositoryNode($id: ID!) {
      node(id: $id) {
        ... on Repository {
          ...RepositoryFields
        }
      }
    }
  `,
  [repositoryFields],
);

export const worktreeNode = graphql(
  `
    query WorktreeNode($id: ID!) {
      node(id: $id) {
        ... on Worktree {
          ...WorktreeFields
        }
      }
    }
  `,
  [worktreeFields],
);

export const parentChanges = graphql(`
  subscription ParentChanges($parentSession: String!, $after: Int) {
    workerStatusChanged(parentSession: $parentSession, after: $after) {
      sequence
      at
      status
      previousStatus
      reason
      report
      outcome
      worker {
        id
        name
      }
    }
  }
`);

export const repositoryProgress = graphql(`
  subscription RepositoryProgress($owner: String!, $name: String!, $after: Int) {
    repositoryChanged(owner: $owner, name: $name, after: $after) {
      sequence
      status
      message
      progress
    }
  }
`);
