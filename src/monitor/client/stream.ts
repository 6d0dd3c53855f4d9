// Subscriptions that outlive the connection: each goes on after the last thing that was heard.
import { stringifyDocument } from "@urql/core";
import type { TadaDocumentNode } from "gql.tada";
import { useEffect, useEffectEvent } from "react";
import { connection } from "./connection.ts";
import { failureOfFault, type Failure } from "./failure.ts";

export interface StreamHandlers<Data> {
  /** In the order of the stream, each once. */
  readonly onData: (data: Data) => void;
  /** The server refused it, or ended it with an error: nothing more comes. */
  readonly onFailure?: (failure: Failure) => void;
  /** The stream has come to its end. */
  readonly onEnd?: () => void;
}

/**
 * Subscribes, and again after every loss of the connection.
 * @param variables asked anew each time, so that `after` can be the last sequence that was heard
 * @returns what ends it
 */
export function follow<Data, Variables extends Record<string, unknown>>(
  document: TadaDocumentNode<Data, Variables>,
  variables: () => Variables,
  { onData, onFailure, onEnd }: StreamHandlers<Data>,
): () => void {
  const query = stringifyDocument(document);
  return connection.client.subscribe<Data>(
    {
      query,
      // graphql-ws sends the same payload each time it subscribes: what it holds is read as it is sent.
      get variables() {
        return variables();
      },
    },
    {
      next({ data, errors }) {
        const [fault] = errors ?? [];
        if (fault !== undefined) onFailure?.(failureOfFault(fault));
        else if (data != null) onData(data);
      },
      error(error) {
        const fault: unknown = Array.isArray(error) ? error[0] : undefined;
        // What is no list of faults is the end of the connection for good, which the page shows as such.
        if (isFault(fault)) onFailure?.(failureOfFault(fault));
      },
      complete: () => onEnd?.(),
    },
  );
}

/** Asks once over the connection that streams use: after all that was subscribed to before. */
export function ask<Data, Variables extends Record<string, unknown>>(
  document: TadaDocumentNode<Data, Variables>,
  variables: Variables,
  signal: AbortSignal,
): Promise<Data> {
  const { promise, resolve, reject } = Promise.withResolvers<Data>();
  const end = follow(document, () => variables, {
    onData: resolve,
    onFailure: (failure) => reject(new AskError(failure)),
  });
  signal.addEventListener("abort", () => {
    end();
    reject(signal.reason instanceof Error ? signal.reason : new Error("aborted"));
  });
  return promise;
}

export class AskError extends Error {
  override readonly name = "AskError";
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

function isFault(value: unknown): value is { message: string } {
  return typeof value === "object" && value !== null && "message" in value;
}

/**
 * follow(), for as long as the component is there. A change of `key` begins anew; null follows nothing.
 * @param variables as follow()'s
 */
export function useStream<Data, Variables extends Record<string, unknown>>(
  key: string | null,
  document: TadaDocumentNode<Data, Variables>,
  variables: () => Variables,
  handlers: StreamHandlers<Data>,
): void {
  const readVariables = useEffectEvent(variables);
  const onData = useEffectEvent(handlers.onData);
  const onFailure = useEffectEvent((failure: Failure) => handlers.onFailure?.(failure));
  const onEnd = useEffectEvent(() => handlers.onEnd?.());
  useEffect(() => {
    if (key === null) return undefined;
    return follow(document, () => readVariables(), { onData, onFailure, onEnd });
  }, [key, document]);
}
