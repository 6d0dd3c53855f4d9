// The output as a terminal shows it: with progress bars that move, and lines that are written over.
import "@xterm/xterm/css/xterm.css";
import { useEffect, useRef, useState } from "react";
import type { Failure } from "../../../client/failure.ts";
import { graphql } from "../../../client/graphql.ts";
import { useStore } from "../../../client/store.ts";
import { useStream } from "../../../client/stream.ts";
import { FailureNote } from "../../../components/failure-note.tsx";
import { themeStore } from "../../../theme/theme.ts";
import type { Worker } from "../operations.ts";
import "../stream/terminal-colours.css";
import { createScreen, keptLines } from "./screen.ts";
import "./terminal.css";

/** How far from the end it begins: an event may hold 64 KiB. */
const firstEvents = 300;

const output = graphql(`
  subscription WorkerOutput($id: ID!, $after: Int!) {
    workerEvents(id: $id, after: $after) {
      __typename
      sequence
      ... on WorkerOutputEvent {
        text
      }
    }
  }
`);

export default function Terminal({ worker }: { worker: Worker }) {
  // The emulator measures its font when it opens: it must be there by then.
  const [isReady, setReady] = useState(false);
  useEffect(() => {
    const family = getComputedStyle(document.documentElement).getPropertyValue("--font-mono");
    void document.fonts.load(`12px ${family}`).finally(() => setReady(true));
  }, []);
  return isReady ? <Output worker={worker} /> : null;
}

function Output({ worker }: { worker: Worker }) {
  const place = useRef<HTMLDivElement>(null);
  const [screen] = useState(createScreen);
  const [start] = useState(Math.max(0, worker.lastSequence - firstEvents));
  const heard = useRef(start);
  const [failure, setFailure] = useState<Failure | undefined>(undefined);
  const theme = useStore(themeStore);

  useEffect(() => (place.current === null ? undefined : screen.open(place.current)), [screen]);
  useEffect(() => {
    if (place.current !== null) screen.paint(place.current);
  }, [screen, theme]);

  useStream("terminal", output, () => ({ id: worker.id, after: heard.current }), {
    onData({ workerEvents: event }) {
      heard.current = event.sequence;
      if (event.__typename === "WorkerOutputEvent") screen.write(event.text);
    },
    onFailure: setFailure,
  });

  return (
    <section className="terminal-view" aria-label={`Terminal of ${worker.name}`}>
      {start > 0 && (
        <p className="quiet">
          It begins at event {start + 1}, and keeps {keptLines.toLocaleString("en")} lines; the
          stream has all.
        </p>
      )}
      <div ref={place} className="terminal" />
      <FailureNote failure={failure} />
    </section>
  );
}
