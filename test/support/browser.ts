// A real browser, from a package: nothing is downloaded, and no library of the machine's is needed. The
// variable CHROMIUM_PATH names another one.
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";
import type { UnpackedChromium } from "./unpack-chromium.ts";

const unpackTimeoutMs = 60_000;
const actionTimeoutMs = 20_000;

export interface OpenPage {
  readonly page: Page;
  /** Everything that the page has asked a server for, as addresses. */
  readonly requests: readonly string[];
  /** What it wrote to the console as an error or a warning, and what it threw. */
  readonly complaints: readonly string[];
}

export interface PageOptions {
  readonly colorScheme?: "light" | "dark";
  readonly viewport?: { readonly width: number; readonly height: number };
  /** As the header Cookie has it, for the address that is opened. */
  readonly cookie?: string | undefined;
  /** A script that runs before the page's own. */
  readonly script?: () => void;
}

export interface TestBrowser {
  /** In a profile of its own: no cookie of another page's. */
  open(address: string, options?: PageOptions): Promise<OpenPage>;
  /** All that are open. */
  closePages(): Promise<void>;
  /**
   * How long the longest task of a page's own thread took while `run` ran, in ms of that thread's own time:
   * what other programs of the machine took meanwhile doesn't count.
   */
  measureLongestTask(run: () => Promise<void>): Promise<number>;
  close(): Promise<void>;
}

export async function startBrowser(): Promise<TestBrowser> {
  const folder = await mkdtemp(join(tmpdir(), "factory-browser-"));
  try {
    const other = process.env["CHROMIUM_PATH"];
    const { executablePath, environment } =
      other === undefined ? await unpack(folder) : { executablePath: other, environment: {} };
    const browser = await chromium.launch({
      executablePath,
      // The package's own arguments switch off what keeps pages of different origins apart.
      args: ["--no-sandbox", "--no-zygote", "--disable-gpu"],
      env: {
        PATH: process.env["PATH"] ?? "",
        HOME: folder,
        TMPDIR: folder,
        ...environment,
      },
      timeout: actionTimeoutMs,
    });
    return {
      open: (address, options) => openPage(browser, address, options),
      async closePages() {
        await Promise.all(browser.contexts().map((context) => context.close()));
      },
      measureLongestTask: (run) => measureLongestTask(browser, run),
      async close() {
        await browser.close();
        await rm(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

async function measureLongestTask(browser: Browser, run: () => Promise<void>): Promise<number> {
  await browser.startTracing(undefined, { categories: ["toplevel", "__metadata"] });
  let trace: Buffer;
  try {
    await run();
  } finally {
    trace = await browser.stopTracing();
  }
  const { traceEvents } = JSON.parse(trace.toString("utf8")) as { traceEvents: TraceEvent[] };
  const threads = new Set(
    traceEvents
      .filter(({ name, args }) => name === "thread_name" && args?.name === "CrRendererMain")
      .map(({ pid, tid }) => `${String(pid)} ${String(tid)}`),
  );
  const tasks = traceEvents.filter(
    ({ name, pid, tid }) =>
      name === "ThreadControllerImpl::RunTask" && threads.has(`${String(pid)} ${String(tid)}`),
  );
  if (tasks.length === 0) throw new Error("the trace tells of no task");
  return tasks.reduce((longest, { tdur = 0 }) => Math.max(longest, tdur / 1000), 0);
}

/** Times in µs; tdur: of the thread's own. Source: the Trace Event Format. */
interface TraceEvent {
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  readonly tdur?: number;
  readonly args?: { readonly name?: string };
}

async function unpack(folder: string) {
  const program = join(import.meta.dirname, "unpack-chromium.ts");
  const { stdout } = await promisify(execFile)(process.execPath, [program], {
    env: {
      PATH: process.env["PATH"] ?? "",
      HOME: folder,
      TMPDIR: folder,
      AWS_LAMBDA_JS_RUNTIME: "nodejs22.x",
    },
    timeout: unpackTimeoutMs,
  });
  const { executablePath, libraries } = JSON.parse(stdout) as UnpackedChromium;
  const fonts = await configureFonts(folder);
  return { executablePath, environment: { LD_LIBRARY_PATH: libraries, FONTCONFIG_FILE: fonts } };
}

/** The package's own configuration names /tmp; Chromium ends itself where it finds no font at all. */
async function configureFonts(folder: string): Promise<string> {
  const file = join(folder, "fonts.conf");
  await writeFile(
    file,
    `<fontconfig><dir>${folder}/fonts</dir><cachedir>${folder}/fonts-cache</cachedir></fontconfig>`,
  );
  return file;
}

async function openPage(
  browser: Browser,
  address: string,
  {
    colorScheme = "light",
    viewport = { width: 1280, height: 900 },
    cookie,
    script,
  }: PageOptions = {},
): Promise<OpenPage> {
  const context: BrowserContext = await browser.newContext({ viewport, colorScheme });
  context.setDefaultTimeout(actionTimeoutMs);
  if (script !== undefined) await context.addInitScript(script);
  if (cookie !== undefined) {
    const [name = "", value = ""] = cookie.split("=");
    await context.addCookies([{ name, value, url: address }]);
  }
  const page = await context.newPage();
  const requests: string[] = [];
  const complaints: string[] = [];
  page.on("request", (request) => requests.push(request.url()));
  page.on("websocket", (socket) => requests.push(socket.url()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  await page.goto(address);
  return { page, requests, complaints };
}
