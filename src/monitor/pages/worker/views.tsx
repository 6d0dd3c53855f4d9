import { Tabs } from "@base-ui/react/tabs";
import { lazy, Suspense, useEffect, useState } from "react";
import { useSearchParams } from "wouter";
import type { Worker } from "./operations.ts";
import { createWorkerStream, type WorkerStream } from "./stream/stream.ts";
import { StreamView } from "./stream/stream-view.tsx";
import { Talk } from "./talk.tsx";

// Each brings a library of its own, which the stream does without.
const Changes = lazy(() => import("./changes/changes.tsx"));
const Terminal = lazy(() => import("./terminal/terminal.tsx"));

const views = ["stream", "changes", "terminal"] as const;
type View = (typeof views)[number];

/** What it does, what it changed, and how that looks in a terminal. Which of them is seen stands in the address. */
export function Views({ worker, onChange }: { worker: Worker; onChange: () => void }) {
  const stream = useWorkerStream(worker, onChange);
  const [params, setParams] = useSearchParams();
  const chosen = views.find((view) => view === params.get("view")) ?? "stream";
  const hasTerminal = worker.capabilities?.includes("TERMINAL_OUTPUT") === true;
  const view = chosen === "terminal" && !hasTerminal ? "stream" : chosen;

  function choose(value: View): void {
    setParams(value === "stream" ? {} : { view: value }, { replace: true });
  }

  return (
    <Tabs.Root className="views" value={view} onValueChange={choose}>
      <Tabs.List className="tabs" aria-label="Views">
        <Tabs.Tab className="tab" value="stream">
          Stream
        </Tabs.Tab>
        <Tabs.Tab className="tab" value="changes">
          Changes
        </Tabs.Tab>
        {hasTerminal && (
          <Tabs.Tab className="tab" value="terminal">
            Terminal
          </Tabs.Tab>
        )}
      </Tabs.List>
      <Tabs.Panel className="view" value="stream">
        <StreamView worker={worker.name} stream={stream} />
        <Talk worker={worker} onChange={onChange} />
      </Tabs.Panel>
      <Tabs.Panel className="view" value="changes">
        <Suspense fallback={<p className="quiet">Reading what it changed…</p>}>
          <Changes worker={worker} />
        </Suspense>
      </Tabs.Panel>
      <Tabs.Panel className="view" value="terminal">
        <Suspense fallback={<p className="quiet">Opening a terminal…</p>}>
          <Terminal worker={worker} />
        </Suspense>
      </Tabs.Panel>
    </Tabs.Root>
  );
}

/** Events that tell of more than the stream shows. */
const telling = new Set([
  "WorkerStatusEvent",
  "WorkerPermissionEvent",
  "WorkerUsageEvent",
  "WorkerReportEvent",
  "WorkerBlockedEvent",
]);

function useWorkerStream({ id, lastSequence }: Worker, onChange: () => void): WorkerStream {
  // Where it begins is decided once.
  const [first] = useState(lastSequence);
  const [stream] = useState(() => createWorkerStream(id, first));
  useEffect(
    () =>
      stream.start((event) => {
        const isHeard = event.__typename === "WorkerMessageEvent" && event.role === "USER";
        if (event.sequence > first && (isHeard || telling.has(event.__typename))) onChange();
      }),
    [stream, first, onChange],
  );
  return stream;
}
