// What a screen reader says without being asked: few things, and never a flood of them.
import { createStore, useStore } from "../client/store.ts";

/** What comes within this time is said in one breath. */
const gatherMs = 800;
const mostSaid = 3;

const said = createStore("");
let gathered: string[] = [];

export function announce(text: string): void {
  if (gathered.length === 0) window.setTimeout(say, gatherMs);
  gathered.push(text);
}

function say(): void {
  const rest = gathered.length - mostSaid;
  const texts = gathered.slice(0, mostSaid);
  gathered = [];
  said.write([...texts, ...(rest > 0 ? [`and ${String(rest)} more changes`] : [])].join(", "));
}

export function Announcer() {
  return (
    <div className="visually-hidden" role="log" aria-live="polite" aria-label="Changes of workers">
      {useStore(said)}
    </div>
  );
}
