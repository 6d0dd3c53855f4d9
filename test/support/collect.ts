// The messages of one subscription, to be awaited one by one or until a condition holds.
import type { GraphQLFormattedError } from "graphql";
import type { Client } from "graphql-ws";

const waitTimeoutMs = 30_000;

export interface Collected<Data> {
  /** Everything that has come so far. */
  readonly messages: readonly Data[];
  /** Resolves when the server's answer shows that the subscription stands, or its first message came. */
  until(condition: (messages: readonly Data[]) => boolean): Promise<readonly Data[]>;
  /** The next `count` messages from the beginning. */
  first(count: number): Promise<readonly Data[]>;
  /** Resolves when the server completes it; rejects with the codes of its errors. */
  readonly completed: Promise<void>;
  /** Whether it has ended, in whichever way. */
  isOver(): boolean;
  /** Ends it from the client's side. */
  end(): void;
}

export class SubscriptionRefused extends Error {
  readonly codes: readonly string[];
  readonly errors: readonly GraphQLFormattedError[];

  constructor(errors: readonly GraphQLFormattedError[]) {
    super(`refused: ${JSON.stringify(errors)}`);
    this.errors = errors;
    this.codes = errors.map(({ extensions }) => String(extensions?.["code"]));
  }
}

export function collect<Data>(
  client: Client,
  query: string,
  variables: Readonly<Record<string, unknown>>,
): Collected<Data> {
  const messages: Data[] = [];
  const waiting = new Set<() => void>();
  const { promise: completed, resolve, reject } = Promise.withResolvers<void>();
  // A test that doesn't ask how it ended isn't failed by it.
  completed.catch(() => undefined);
  let over: Error | undefined;

  function wake(): void {
    for (const look of waiting) look();
  }

  function end(error: Error | undefined): void {
    over = error ?? new Error("the subscription was completed");
    if (error === undefined) resolve();
    else reject(error);
    wake();
  }

  const unsubscribe = client.subscribe<Data>(
    { query, variables: { ...variables } },
    {
      next({ data, errors }) {
        if (errors !== undefined) {
          end(new SubscriptionRefused(errors));
          return;
        }
        if (data != null) messages.push(data);
        wake();
      },
      error(error) {
        end(Array.isArray(error) ? new SubscriptionRefused(error) : asError(error));
      },
      complete() {
        end(undefined);
      },
    },
  );

  async function until(condition: (messages: readonly Data[]) => boolean) {
    const { promise, resolve: found, reject: failed } = Promise.withResolvers<void>();
    const look = () => {
      if (condition(messages)) found();
      else if (over !== undefined) failed(over);
    };
    const timer = setTimeout(() => {
      failed(new Error(`what was waited for did not come; there are ${JSON.stringify(messages)}`));
    }, waitTimeoutMs);
    waiting.add(look);
    look();
    try {
      await promise;
      return messages;
    } finally {
      clearTimeout(timer);
      waiting.delete(look);
    }
  }

  return {
    messages,
    until,
    first: async (count) => (await until((all) => all.length >= count)).slice(0, count),
    completed,
    isOver: () => over !== undefined,
    end: unsubscribe,
  };
}

function asError(error: unknown): Error {
  if (error instanceof Error) return error;
  if (typeof error === "object" && error !== null && "code" in error) {
    // The close event of a WebSocket.
    return Object.assign(new Error(`closed with ${String(error.code)}`), { code: error.code });
  }
  return new Error(String(error));
}
