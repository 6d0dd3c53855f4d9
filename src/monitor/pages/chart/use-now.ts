import { useSyncExternalStore } from "react";

const tickMs = 1000;

function watch(onTick: () => void): () => void {
  const timer = window.setInterval(onTick, tickMs);
  return () => window.clearInterval(timer);
}

const neverTicks = (): (() => void) => () => undefined;

/** The time, to the second; where nothing grows it stands still. */
export function useNow(isLive: boolean): number {
  return useSyncExternalStore(isLive ? watch : neverTicks, readNow);
}

function readNow(): number {
  return Math.ceil(Date.now() / tickMs) * tickMs;
}
