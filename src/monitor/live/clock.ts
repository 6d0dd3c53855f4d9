// The time, for what says how long ago something was: one timer for all of it.
import { useSyncExternalStore } from "react";

const watchers = new Set<() => void>();
let timer: number | undefined;

function watch(onTick: () => void): () => void {
  watchers.add(onTick);
  timer ??= window.setInterval(() => {
    for (const watcher of [...watchers]) watcher();
  }, 1000);
  return () => {
    watchers.delete(onTick);
    if (watchers.size > 0) return;
    window.clearInterval(timer);
    timer = undefined;
  };
}

/** Draws anew only when the text becomes another one. */
export function useClock(tell: (now: number) => string): string {
  return useSyncExternalStore(watch, () => tell(Date.now()));
}
