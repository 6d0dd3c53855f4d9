// The page's addresses, and how links to them are written. The server hands out the page for each of them.

export const routes = {
  overview: "/",
  worker: "/workers/:name",
  timeChart: "/parents/:name/time",
  /** Shows the time chart. */
  parent: "/parents/:name",
} as const;

export function workerPath(name: string): string {
  return `/workers/${encodeURIComponent(name)}`;
}

export function timeChartPath(parent: string): string {
  return `/parents/${encodeURIComponent(parent)}/time`;
}

/** What the addresses of pages begin with, but for the overview's. */
export const pagePrefixes = ["/workers/", "/parents/"];
