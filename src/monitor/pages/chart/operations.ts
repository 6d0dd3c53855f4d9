// What the time chart of a parent asks for.
import { graphql, type ResultOf } from "../../client/graphql.ts";

const readWorker = graphql(`
  fragment TimedWorker on WorkerSession {
    id
    name
    agent
    branch
    attempt
    status
    statusReason
    createdAt
    startedAt
    finishedAt
    usage {
      costUsd
      inputTokens
      outputTokens
    }
    parentSession {
      name
    }
    parentWorker {
      id
      name
    }
    statusEvents {
      at
      status
    }
  }
`);

export const workersPage = graphql(
  `
    query TimedWorkers($parent: String!, $last: Int!, $before: String) {
      parentSession(name: $parent) {
        maxCostUsd
      }
      workerSessions(parentSession: $parent, descendants: true, last: $last, before: $before) {
        nodes {
          ...TimedWorker
        }
        pageInfo {
          hasPreviousPage
          startCursor
        }
      }
    }
  `,
  [readWorker],
);

export const workerNode = graphql(
  `
    query TimedWorkerNode($id: ID!) {
      node(id: $id) {
        ...TimedWorker
      }
    }
  `,
  [readWorker],
);

export const overviewChanged = graphql(`
  subscription TimedWorkersChanged {
    overviewChanged {
      workerSessions
    }
  }
`);

export type WorkersPage = ResultOf<typeof workersPage>;
export type ReadWorker = ResultOf<typeof readWorker>;
export type WorkerStatus = ReadWorker["status"];

export interface StatusMoment {
  readonly at: string;
  readonly status: WorkerStatus;
}

export interface TimedWorker extends Omit<ReadWorker, "parentSession" | "statusEvents"> {
  readonly moments: readonly StatusMoment[];
}
