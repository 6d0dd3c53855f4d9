// What the stream of a worker asks for.
import { graphql, type ResultOf } from "../../../client/graphql.ts";

const eventFields = graphql(`
  fragment EventFields on WorkerEvent {
    __typename
    sequence
    at
    ... on WorkerStatusEvent {
      previousStatus
      status
      reason
    }
    ... on WorkerOutputEvent {
      channel
      text
    }
    ... on WorkerMessageEvent {
      role
      text
    }
    ... on WorkerToolCallEvent {
      toolCallId
      title
      kind
      toolCallStatus
      content
    }
    ... on WorkerPermissionEvent {
      request {
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
        answer
      }
    }
    ... on WorkerUsageEvent {
      usage {
        inputTokens
        outputTokens
        costUsd
      }
    }
    ... on WorkerReportEvent {
      message
      outcome
    }
  }
`);

export const workerEvents = graphql(
  `
    subscription WorkerEvents($id: ID!, $after: Int!) {
      workerEvents(id: $id, after: $after) {
        ...EventFields
      }
    }
  `,
  [eventFields],
);

/** Those that came before what the stream began with. */
export const earlierEvents = graphql(
  `
    query EarlierEvents($id: ID!, $after: Int!, $first: Int!) {
      workerSession(id: $id) {
        id
        events(after: $after, first: $first) {
          ...EventFields
        }
      }
    }
  `,
  [eventFields],
);

export type WorkerEvent = ResultOf<typeof eventFields>;
