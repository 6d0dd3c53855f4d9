import type { ReactNode } from "react";
import { Panel } from "../../components/panel.tsx";
import { Status } from "../../components/status.tsx";
import { Ago, Since } from "../../components/time.tsx";
import { count, tellCost, tellDuration, tellWholeUsage } from "../../components/words.ts";
import { isLive } from "../../live/states.ts";
import { workerPath } from "../../routes.ts";
import { BlockedHosts } from "./blocked-hosts.tsx";
import { ParentLink } from "./head.tsx";
import type { Worker } from "./operations.ts";
import { Timeline } from "./timeline.tsx";

/** What is known of it beside its stream. */
export function Facts({ worker }: { worker: Worker }) {
  const { summary, diffStatistics } = worker;
  return (
    <aside className="facts" aria-label={`About ${worker.name}`}>
      {summary !== null && summary !== "" && (
        <Panel title="Summary">
          <p className="fact-body summary">{summary}</p>
        </Panel>
      )}
      <BlockedHosts worker={worker} />
      <Panel title="Timeline">
        <div className="fact-body">
          <Timeline worker={worker} />
        </div>
      </Panel>
      <Panel title="Facts">
        <dl className="fact-body fact-list">
          <Fact name="Ran for">
            <RunTime worker={worker} />
          </Fact>
          <Fact name="Usage">{worker.usage === null ? null : tellWholeUsage(worker.usage)}</Fact>
          <Fact name="Changed">
            {diffStatistics === null ? null : (
              <>
                {count(diffStatistics.filesChanged, "file")},{" "}
                <span className="added">+{diffStatistics.additions}</span>{" "}
                <span className="removed">−{diffStatistics.deletions}</span>
              </>
            )}
          </Fact>
          <Fact name="Repository">{worker.repositoryName}</Fact>
          <Fact name="Branch">
            <code>{worker.branch}</code>
          </Fact>
          <Fact name="Base">{worker.base === null ? null : <code>{worker.base}</code>}</Fact>
          <Fact name="Pushed to">
            {worker.pushedTo ?? (worker.push ? "when it has succeeded" : null)}
          </Fact>
          <Fact name="Worktree">
            {worker.worktree === null ? null : <code>{worker.worktree.path}</code>}
          </Fact>
          <Fact name="Runner">{worker.worktree?.runner}</Fact>
          <Fact name="Issue">{worker.issue}</Fact>
          <Fact name="Exit">{worker.signal ?? worker.exitCode}</Fact>
          <Fact name="Priority">{worker.priority === 0 ? null : worker.priority}</Fact>
          <Fact name="Limits">{tellLimits(worker)}</Fact>
          <Fact name="Sandbox">{worker.sandbox === null ? null : sandboxes[worker.sandbox]}</Fact>
          <Fact name="Permissions">{worker.permissions?.toLowerCase()}</Fact>
          <Fact name="Afterwards">{cleanups[worker.cleanup]}</Fact>
          <Fact name="Dispatched">
            <Ago at={worker.createdAt} />
          </Fact>
        </dl>
      </Panel>
      <Family worker={worker} />
    </aside>
  );
}

/** Not there where nothing is known. */
function Fact({ name, children }: { name: string; children: ReactNode }) {
  if (children === null || children === undefined || children === "") return null;
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function RunTime({ worker: { startedAt, finishedAt, status } }: { worker: Worker }) {
  if (startedAt === null) return "not yet";
  if (finishedAt === null || isLive(status)) return <Since at={startedAt} />;
  return tellDuration(Date.parse(finishedAt) - Date.parse(startedAt));
}

const cleanups: Readonly<Record<Worker["cleanup"], string | null>> = {
  KEEP: null,
  ON_SUCCESS: "its worktree goes where it succeeded",
  ALWAYS: "its worktree goes",
};

const sandboxes: Readonly<Record<NonNullable<Worker["sandbox"]>, string>> = {
  BUBBLEWRAP: "files, processes and network",
  NONE: "none",
};

function tellLimits(worker: Worker): string {
  const { timeoutSeconds, maxCostUsd, maxTurns, maxMemoryMib, maxCpus, maxProcesses } = worker;
  return [
    ...(timeoutSeconds === null ? [] : [tellDuration(timeoutSeconds * 1000)]),
    ...(maxCostUsd === null ? [] : [tellCost(maxCostUsd)]),
    ...(maxTurns === null ? [] : [count(maxTurns, "turn")]),
    ...(maxMemoryMib === null ? [] : [`${String(maxMemoryMib)} MiB of memory`]),
    ...(maxCpus === null ? [] : [count(maxCpus, "processor")]),
    ...(maxProcesses === null ? [] : [`${String(maxProcesses)} processes`]),
  ].join(", ");
}

/** Where it comes from, and what came of it. */
function Family({ worker }: { worker: Worker }) {
  const { parentSession, previous, next, children } = worker;
  return (
    <Panel title="Family">
      <dl className="fact-body fact-list">
        <Fact name="Asked for by">
          <ParentLink name={parentSession.name} />
        </Fact>
        <Fact name="Goes on from">
          {previous === null ? null : <Relative relative={previous} />}
        </Fact>
        <Fact name="Gone on by">
          {next.length === 0 ? null : (
            <ul className="relatives">
              {next.map((relative) => (
                <li key={relative.id}>
                  <Relative relative={relative} />
                </li>
              ))}
            </ul>
          )}
        </Fact>
        <Fact name="Dispatched">
          {children.totalCount === 0 ? null : (
            <ul className="relatives">
              {children.nodes.map((relative) => (
                <li key={relative.id}>
                  <Relative relative={relative} />
                </li>
              ))}
              {children.totalCount > children.nodes.length && (
                <li>and {children.totalCount - children.nodes.length} earlier ones</li>
              )}
            </ul>
          )}
        </Fact>
      </dl>
    </Panel>
  );
}

function Relative({ relative: { name, status } }: { relative: Pick<Worker, "name" | "status"> }) {
  return (
    <span className="relative">
      <a href={workerPath(name)}>{name}</a> <Status status={status} />
    </span>
  );
}
