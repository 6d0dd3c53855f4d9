import { useState } from "react";
import { Status } from "../../components/status.tsx";
import { Since } from "../../components/time.tsx";
import { tellDuration, tellMoment } from "../../components/words.ts";
import { isLive } from "../../live/states.ts";
import type { Worker } from "./operations.ts";

/** More are there where they are asked for: an agent that asks for permission all the time has hundreds. */
const mostShown = 8;

/** Its statuses, when and why it had each, and for how long. */
export function Timeline({ worker }: { worker: Worker }) {
  const [isOpen, setOpen] = useState(false);
  const entries = entriesOf(worker);
  const hidden = isOpen ? 0 : Math.max(0, entries.length - mostShown);
  return (
    <>
      {entries.length > mostShown && (
        <button
          type="button"
          className="text-button"
          aria-expanded={isOpen}
          onClick={() => setOpen(!isOpen)}
        >
          {isOpen ? "Show fewer" : `Show ${String(hidden)} earlier ones`}
        </button>
      )}
      <ol className="timeline">
        {entries.slice(hidden).map(({ key, status, at, until, reason, attempt }) => (
          <li key={key} data-status={status}>
            <p className="timeline-head">
              <Status status={status} />
              {attempt > 1 && <span className="quiet">attempt {attempt}</span>}
              <span className="timeline-duration">
                {until !== undefined ? (
                  tellDuration(Date.parse(until) - Date.parse(at))
                ) : isLive(status) ? (
                  <Since at={at} />
                ) : null}
              </span>
            </p>
            <time className="timeline-time" dateTime={at}>
              {tellMoment(at)}
            </time>
            {reason !== null && <p className="timeline-reason">{reason}</p>}
          </li>
        ))}
      </ol>
    </>
  );
}

interface Entry {
  readonly key: string;
  readonly status: Worker["status"];
  readonly at: string;
  readonly until: string | undefined;
  readonly reason: string | null;
  readonly attempt: number;
}

function entriesOf({ statusEvents, createdAt, startedAt, finishedAt, status }: Worker): Entry[] {
  const [first] = statusEvents;
  // What the server no longer keeps, the session still tells in part.
  const known =
    first?.previousStatus !== null
      ? [
          { sequence: -2, at: createdAt, status: "QUEUED" as const, reason: null },
          ...(startedAt === null
            ? []
            : [{ sequence: -1, at: startedAt, status: "RUNNING" as const, reason: null }]),
        ].filter(({ at }) => first === undefined || at < first.at)
      : [];
  const told =
    first === undefined && finishedAt !== null
      ? [{ sequence: 0, at: finishedAt, status, reason: null }]
      : statusEvents;
  const all = [...known, ...told];
  let attempt = 0;
  return all.map(({ sequence, at, status: own, reason }, index) => {
    // A session is queued once for each of its attempts.
    if (own === "QUEUED") attempt += 1;
    return {
      key: String(sequence),
      status: own,
      at,
      until: all[index + 1]?.at,
      reason,
      attempt: own === "QUEUED" ? attempt : 1,
    };
  });
}
