// What the time chart of a parent asks for.
import { graphql, type ResultOf } from "../../client/graphql.ts";

const timedWorker = graphql(`
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
  }
`);

const timedParent = graphql(`
  fragment TimedParent on ParentSession {
    id
    name
    lastSequence
    maxCostUsd
    usage {
      costUsd
      inputTokens
      outputTokens
    }
    workerCounts {
      total
    }
  }
`);

/** With the sequence that the changes below go on from. */
export const parentQuery = graphql(
  `
    query TimedParentSession($name: String!) {
      parentSession(name: $name) {
        ...TimedParent
      }
    }
  `,
  [timedParent],
);

export const workersPage = graphql(
  `
    query TimedWorkers($parent: String!, $last: Int!, $before: String) {
      workerSessions(parentSession: $parent, last: $last, before: $before) {
        nodes {
          ...TimedWorker
          statusEvents {
            at
            status
          }
        }
        pageInfo {
          hasPreviousPage
          startCursor
        }
      }
    }
  `,
  [timedWorker],
);

export const changes = graphql(
  `
    subscription TimedChanges($parent: String!, $after: Int!) {
      workerStatusChanged(parentSession: $parent, after: $after) {
        sequence
        at
        previousStatus
        status
        worker {
          ...TimedWorker
        }
      }
    }
  `,
  [timedWorker],
);

export type TimedParent = ResultOf<typeof timedParent>;
export type WorkerFacts = ResultOf<typeof timedWorker>;
export type WorkerStatus = WorkerFacts["status"];
export type Change = ResultOf<typeof changes>["workerStatusChanged"];
export type WorkersPage = ResultOf<typeof workersPage>["workerSessions"];

export interface StatusMoment {
  readonly at: string;
  readonly status: WorkerStatus;
}

export interface TimedWorker extends WorkerFacts {
  readonly moments: readonly StatusMoment[];
}
