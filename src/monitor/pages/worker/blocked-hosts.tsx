import { useState } from "react";
import { useMutation } from "urql";
import { failureOf } from "../../client/failure.ts";
import { FailureNote } from "../../components/failure-note.tsx";
import { Panel } from "../../components/panel.tsx";
import { toast } from "../../components/toasts.tsx";
import { isLive } from "../../live/states.ts";
import { allowHost, type Worker } from "./operations.ts";

/** What its sandbox has refused it, with a way to allow it. */
export function BlockedHosts({ worker }: { worker: Worker }) {
  const { blockedHosts } = worker;
  if (blockedHosts.length === 0) return null;
  return (
    <Panel title="Refused hosts" number={blockedHosts.length}>
      <ul className="fact-body blocked-hosts">
        {blockedHosts.map(({ host, port, blockReason }) => {
          const place = `${host.includes(":") ? `[${host}]` : host}:${String(port)}`;
          return (
            <li key={place}>
              <BlockedHost worker={worker} place={place} isPrivate={blockReason === "PRIVATE"} />
            </li>
          );
        })}
      </ul>
    </Panel>
  );
}

function BlockedHost({
  worker,
  place,
  isPrivate,
}: {
  worker: Worker;
  place: string;
  isPrivate: boolean;
}) {
  const [{ fetching, error }, allow] = useMutation(allowHost);
  const [isAllowed, setAllowed] = useState(false);

  async function submit(forRepository: boolean): Promise<void> {
    const { data } = await allow({ input: { id: worker.id, host: place, forRepository } });
    if (data?.allowHost == null) return;
    setAllowed(true);
    const who = forRepository ? `the workers of ${worker.repositoryName}` : worker.name;
    toast(`${who} may reach ${place}`);
  }

  return (
    <>
      <code>{place}</code>
      {isPrivate && <span className="quiet"> at a private address</span>}
      {isAllowed ? (
        <span className="quiet"> allowed</span>
      ) : (
        <span className="blocked-host-actions">
          {isLive(worker.status) && (
            <button
              type="button"
              className="button"
              disabled={fetching}
              onClick={() => void submit(false)}
              aria-label={`Allow now: ${place}`}
            >
              Allow now
            </button>
          )}
          <button
            type="button"
            className="button"
            disabled={fetching}
            onClick={() => void submit(true)}
            aria-label={`Allow for the repository: ${place}`}
          >
            Allow for the repository
          </button>
        </span>
      )}
      <FailureNote failure={error && failureOf(error)} />
    </>
  );
}
