// What a worker's page asks for, and what can be done there.
import { graphql, type ResultOf } from "../../client/graphql.ts";

export const workerQuery = graphql(`
  query WorkerPage($id: ID!, $name: String!) {
    workerSession(id: $id) {
      id
      name
      status
      statusReason
      failureCode
      agent
      capabilities
      task
      issue
      branch
      base
      repositoryName
      attempt
      priority
      timeoutSeconds
      cleanup
      permissions
      push
      sandbox
      blockedHosts {
        host
        port
        blockReason
      }
      pushedTo
      maxCostUsd
      maxTurns
      maxMemoryMib
      maxCpus
      maxProcesses
      summary
      exitCode
      signal
      createdAt
      startedAt
      finishedAt
      lastSequence
      diffStatistics {
        filesChanged
        additions
        deletions
      }
      usage {
        inputTokens
        outputTokens
        costUsd
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
      queuedMessages {
        text
        createdAt
      }
      statusEvents {
        sequence
        at
        previousStatus
        status
        reason
      }
      worktree {
        id
        path
        runner
      }
      parentSession {
        id
        name
      }
      previous {
        id
        name
        status
      }
      next {
        id
        name
        status
      }
      children(last: 100) {
        totalCount
        nodes {
          id
          name
          status
          agent
          branch
        }
      }
    }
    asParent: parentSession(name: $name) {
      id
    }
  }
`);

export type Worker = NonNullable<ResultOf<typeof workerQuery>["workerSession"]>;
export type WorkerStatus = Worker["status"];

export const overviewChanged = graphql(`
  subscription WorkerPageChanged {
    overviewChanged {
      workerSessions
      parentSessions
    }
  }
`);

export const cancelWorker = graphql(`
  mutation CancelWorker($input: CancelWorkerInput!) {
    cancelWorker(input: $input) {
      worker {
        id
        name
        status
      }
    }
  }
`);

export const retryWorker = graphql(`
  mutation RetryWorker($input: RetryWorkerInput!) {
    retryWorker(input: $input) {
      worker {
        id
        name
      }
    }
  }
`);

export const sendMessage = graphql(`
  mutation SendMessage($input: SendMessageInput!) {
    sendMessage(input: $input) {
      created
      worker {
        id
        name
      }
    }
  }
`);

export const allowHost = graphql(`
  mutation AllowHost($input: AllowHostInput!) {
    allowHost(input: $input) {
      worker {
        id
        name
      }
    }
  }
`);
