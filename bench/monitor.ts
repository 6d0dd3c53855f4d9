// The monitor's first useful paint with 200 workers in a browser that has never seen it, against the same page
// as finished HTML from a bare HTTP server: what the browser takes for the drawing alone. And the longest that
// a page with much on it holds its browser up.
import { readdir, readFile, stat } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import type { Page } from "playwright-core";
import { buildMonitor, isStale } from "../build/monitor.ts";
import { startBrowser, type TestBrowser } from "../test/support/browser.ts";
import type { FactoryServer } from "../test/support/factory.ts";
import { alternate } from "./alternate.ts";
import { signIn } from "../test/support/sign-in.ts";
import type { Finding } from "./finding.ts";
import { cloneInto, createParent } from "./workers.ts";
import type { World } from "./world.ts";

const workerCount = 200;
const lineCount = 100_000;
const withinMs = 120_000;
const assets = join(import.meta.dirname, "..", "dist", "monitor", "assets");

export async function benchMonitor({ git, quick, startServer }: World): Promise<Finding[]> {
  if (await isStale()) await buildMonitor();
  await using owned = new AsyncDisposableStack();
  await git.createRepository("bench", "monitor");
  const server = await startServer({ FACTORY_MAX_WORKERS: "1", FACTORY_KILL_GRACE: "0" });
  owned.defer(() => server.dispose());
  await cloneInto(server, { owner: "bench", name: "monitor", url: git.url("bench", "monitor") });
  const worker = await printMuch(server);
  await fill(server);
  const browser = await startBrowser();
  owned.defer(() => browser.close());

  const address = `${server.url}/`;
  const cookie = await signIn(server);
  const still = await serveStill(await photograph(browser, address, cookie));
  owned.defer(() => still.close());
  const painted = await alternate(
    { turns: quick ? 5 : 20, withinMs },
    () => measurePaint(browser, address, cookie),
    () => measurePaint(browser, still.address),
  );
  const tasks: Finding[] = [];
  for (const { what, path, until } of pagesToFollow(worker)) {
    const ours = [];
    for (let turn = 0; turn < (quick ? 3 : 7); turn += 1) {
      ours.push(await measureLongest(browser, { address: server.url + path, cookie, until }));
    }
    const target = { kind: "absolute", most: 200 } as const;
    tasks.push({ what: `monitor, longest task, ${what}`, unit: "ms", ours, target });
  }
  return [
    ...tasks,
    {
      what: `monitor, first useful paint, ${String(workerCount)} workers`,
      unit: "ms",
      ...painted,
      target: { kind: "absolute", most: 1_000 },
    },
    {
      what: "monitor, all its JavaScript, compressed",
      unit: "kB",
      ours: [await sizeOf((name) => name.endsWith(".js.br"))],
      target: { kind: "absolute", most: 300 },
    },
    {
      what: "  of which the overview's",
      unit: "kB",
      ours: [await sizeOf((name) => name.startsWith("index-") && name.endsWith(".js.br"))],
    },
  ];
}

/** One works and the others wait, below several parents. */
async function fill(server: FactoryServer): Promise<void> {
  const repository = { owner: "bench", name: "monitor" };
  const parents = Array.from({ length: 8 }, (_, number) =>
    createParent(server, `team-${String(number)}`),
  );
  for (let number = 0; number < workerCount; number += parents.length) {
    await Promise.all(
      parents.map((parent, more) =>
        parent.dispatch({
          repository,
          // Ends by itself soon, in case that the bench is killed.
          task: `exec sleep 300 # ${String(number + more)}: what the worker is to do, in so many words`,
        }),
      ),
    );
  }
}

/** A worker that has ended, with much to show. */
async function printMuch(server: FactoryServer): Promise<string> {
  const parent = createParent(server, "much");
  const { name } = await parent.dispatch({
    repository: { owner: "bench", name: "monitor" },
    task: [
      `awk 'BEGIN { for (n = 1; n <= ${String(lineCount)}; n++) printf "line %d \\033[32mgreen\\033[0m\\n", n }'`,
      "for n in $(seq 1 2000); do seq 1 5 >file-$n.txt; done",
      "seq -f 'some text on line %.0f' 1 40000 >a-large-one.txt",
    ].join("\n"),
  });
  await parent.untilEnded(name);
  return name;
}

interface FollowedPage {
  readonly what: string;
  readonly path: string;
  /** Shown when all of it is there. */
  readonly until: string;
}

const pagesToFollow = (worker: string): FollowedPage[] => [
  {
    what: `${String(workerCount)} workers`,
    path: "/",
    until: `.worker-row >> nth=${String(workerCount - 1)}`,
  },
  { what: "25 workers over time", path: "/parents/team-0/time", until: "a.bar-row >> nth=24" },
  {
    what: `${String(lineCount)} lines`,
    path: `/workers/${worker}`,
    until: `text=line ${String(lineCount)}`,
  },
  {
    what: "a diff of 2,001 files",
    path: `/workers/${worker}?view=changes`,
    until: "text=2,001 files changed",
  },
];

/** The processor's time of the longest task of the page's main thread, from its opening on. */
async function measureLongest(
  browser: TestBrowser,
  { address, cookie, until }: { address: string; cookie: string; until: string },
): Promise<number> {
  const longest = await browser.measureLongestTask(async () => {
    const { page } = await browser.open(address, { cookie });
    await page.locator(until).first().waitFor();
  });
  await browser.closePages();
  return longest;
}

/** In the page: notes when the first workers are on the screen. */
function notePaint(): void {
  const observer = new MutationObserver(look);
  function look(): void {
    if (document.querySelector(".worker-row") === null) return;
    observer.disconnect();
    // The frame after the next has begun: what is there is painted.
    requestAnimationFrame(() =>
      requestAnimationFrame(() => Object.assign(window, { paintedAt: performance.now() })),
    );
  }
  observer.observe(document, { childList: true, subtree: true });
}

/** Since the browser began to ask for the page. */
async function measurePaint(
  browser: TestBrowser,
  address: string,
  cookie?: string,
): Promise<number> {
  const { page } = await browser.open(address, { script: notePaint, cookie });
  const paintedAt = await page.waitForFunction(
    () => (window as unknown as { paintedAt?: number }).paintedAt,
  );
  const ms = await paintedAt.jsonValue();
  await browser.closePages();
  if (ms === undefined) throw new Error("the page did not say when it was painted");
  return ms;
}

/** The page as HTML, when it has come to rest. */
async function photograph(browser: TestBrowser, address: string, cookie: string): Promise<string> {
  const { page } = await browser.open(address, { cookie });
  await page.waitForFunction(
    (count) => document.querySelectorAll(".worker-row").length === count,
    workerCount,
  );
  const html = await withoutScripts(page);
  await browser.closePages();
  return html;
}

async function withoutScripts(page: Page): Promise<string> {
  await page.evaluate(() => {
    for (const script of document.querySelectorAll("script, link[rel=modulepreload]"))
      script.remove();
  });
  return page.content();
}

const types: Readonly<Record<string, string>> = {
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
};

interface StillServer {
  readonly address: string;
  close(): Promise<void>;
}

async function serveStill(html: string): Promise<StillServer> {
  const server = createServer((request, response) => {
    const path = request.url ?? "/";
    if (path === "/") {
      response.setHeader("Content-Type", "text/html; charset=utf-8").end(html);
      return;
    }
    void readFile(join(assets, path.replace("/assets/", ""))).then(
      (content) =>
        response.setHeader("Content-Type", types[extname(path)] ?? "text/plain").end(content),
      () => response.writeHead(404).end(),
    );
  });
  await listen(server);
  const { port } = server.address() as AddressInfo;
  return {
    address: `http://127.0.0.1:${String(port)}/`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function listen(server: Server): Promise<void> {
  return new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
}

/** In kB. */
async function sizeOf(counts: (name: string) => boolean): Promise<number> {
  const names = (await readdir(assets)).filter(counts);
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(assets, name))).size));
  return sizes.reduce((sum, size) => sum + size, 0) / 1000;
}
