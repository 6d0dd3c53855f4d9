import { useEffect, useState } from "react";
import { client } from "../../../client/client.ts";
import { failureOf, type Failure } from "../../../client/failure.ts";
import type { ResultOf } from "../../../client/graphql.ts";
import { isLive } from "../../../live/states.ts";
import type { Worker } from "../operations.ts";
import { changesQuery } from "./operations.ts";

interface Read {
  readonly session: ResultOf<typeof changesQuery>["workerSession"] | undefined;
  readonly failure: Failure | undefined;
  /** When, and as what. */
  readonly at: string;
  readonly key: string;
}

export interface Changes extends Partial<Omit<Read, "key">> {
  readonly isReading: boolean;
  readonly readAgain: () => void;
}

/** Read when the view opens, when the worker has ended, and when asked for: git looks at all files for it. */
export function useChanges({ id, status }: Worker): Changes {
  const [read, setRead] = useState<Read | undefined>(undefined);
  const [turn, setTurn] = useState(0);
  const key = `${String(turn)} ${isLive(status) ? "live" : "ended"}`;

  useEffect(() => {
    let isLeft = false;
    void client.query(changesQuery, { id }).then(({ data, error }) => {
      if (isLeft) return;
      setRead((before) => ({
        session: data?.workerSession ?? before?.session,
        failure: error && failureOf(error),
        at: new Date().toISOString(),
        key,
      }));
    });
    return () => {
      isLeft = true;
    };
  }, [id, key]);

  return { ...read, isReading: read?.key !== key, readAgain: () => setTurn(turn + 1) };
}
