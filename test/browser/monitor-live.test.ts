// How the monitor follows: what needs somebody, lost connections, and hundreds of workers.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { startBrowser, type TestBrowser } from "../support/browser.ts";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import {
  expectAccessible,
  expectNoComplaints,
  expectNoReload,
  openMonitor,
  panel,
  rowOf,
} from "../support/monitor.ts";
import { cloned } from "../support/repositories.ts";
import { untilAsked, writeScriptedAgents } from "../support/talks.ts";
import {
  createGate,
  dispatch,
  followParent,
  untilPrinted,
  dispatchMany,
} from "../support/workers.ts";

const repository = { owner: "acme", name: "shop" };

let folder: string;
let git: GitServer;
let factory: FactoryServer;
let browser: TestBrowser;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "factory-monitor-"));
  git = await startGitServer();
  [factory, browser] = await Promise.all([
    startFactory({
      env: {
        FACTORY_AGENTS: await writeScriptedAgents(folder),
        FACTORY_PERMISSIONS: "ASK",
        FACTORY_MAX_WORKERS: "4",
        FACTORY_MAX_CHILDREN: "1000",
      },
    }),
    startBrowser(),
  ]);
  await cloned(factory, git, repository);
});

afterEach(() => browser.closePages());

afterAll(async () => {
  await browser.close();
  await factory.dispose();
  await git.stop();
  await rm(folder, { recursive: true, force: true });
});

/** In the page: counts what the browser is asked for, and shows nobody anything. */
function pretendNotifications(): void {
  const told: string[] = [];
  class PretendedNotification extends EventTarget {
    static permission = "default";
    static requestPermission(): Promise<string> {
      told.push("asked");
      PretendedNotification.permission = "granted";
      return Promise.resolve("granted");
    }
    constructor(title: string, { body }: { body: string }) {
      super();
      told.push(`${title}: ${body}`);
    }
  }
  Object.assign(window, { Notification: PretendedNotification, told });
  // The person looks at something else.
  document.hasFocus = () => false;
}

test("a worker that asks stands on top, is told to whoever wants to hear it, and is answered there", async () => {
  const opened = await openMonitor(browser, factory, "/", { script: pretendNotifications });
  const { page } = opened;
  const told = () => page.evaluate(() => (window as unknown as { told: string[] }).told);
  await page.getByText("No workers yet").waitFor();
  expect(await told()).toEqual([]);
  const bell = page.getByRole("button", { name: "Notify me when a worker needs me" });
  await bell.click();
  await page.waitForFunction(
    () =>
      document.querySelector('[aria-label^="Notify me"]')?.getAttribute("aria-pressed") === "true",
  );

  const { name } = await dispatch(factory, {
    parentSession: "ada",
    repository,
    agent: "scripted",
    task: "Push it\ndo: ask git push origin main",
  });
  await untilAsked(factory, name);
  const needs = panel(page, "Needs you");
  await needs.getByText("git push origin main").waitFor();
  await needs.getByText("waiting").waitFor();
  await rowOf(page, name).getByText("asks: git push origin main").waitFor();
  await page.waitForFunction(() => document.title === "(1) Factory");
  await expectAccessible(page);
  await needs.getByRole("button", { name: "Yes", exact: true }).click();
  await rowOf(page, name).getByText("succeeded").waitFor();
  await page.waitForFunction(() => document.title === "Factory");
  expect(await needs.count()).toBe(0);

  const failed = await dispatch(factory, { parentSession: "ada", repository, task: "exit 4" });
  await needs.getByRole("link", { name: failed.name }).waitFor();
  expect(await told()).toEqual([
    "asked",
    `${name} is waiting: git push origin main`,
    `${failed.name} is failed: exit code 4`,
  ]);
  // Off again, nothing is told; and what was so when the page was opened never is.
  await bell.click();
  await page.reload();
  await needs.getByRole("link", { name: failed.name }).waitFor();
  expect(await told()).toEqual([]);
  await needs.getByRole("button", { name: `Dismiss ${failed.name}` }).click();
  expectNoComplaints(opened, factory);
});

test("after a restart of the server the page goes on by itself, with nothing missed and nothing twice", async () => {
  const gate = await createGate();
  const worker = await dispatch(factory, {
    parentSession: "long",
    repository,
    task: `factory report one; echo there; ${gate.wait}; factory report two; exit 0`,
  });
  await untilPrinted(factory, worker.name, "there");
  const opened = await openMonitor(browser, factory);
  const { page } = opened;
  const activity = panel(page, "Activity");
  await activity.getByText("one", { exact: true }).waitFor();
  const stays = await expectNoReload(page);

  const port = new URL(factory.url).port;
  await factory.terminate();
  await page.getByRole("status").getByText("The connection to the server is lost").waitFor();
  await page.getByText("Connection lost", { exact: true }).waitFor();
  await expectAccessible(page);
  factory = await factory.restart({ PORT: port });
  await page.getByRole("status").getByText("Connected again").waitFor();
  await page.getByText("Live", { exact: true }).waitFor();

  await gate.open();
  await rowOf(page, worker.name).getByText("succeeded").waitFor();
  await activity.getByText("two", { exact: true }).waitFor();
  const stream = followParent(factory, "long", 0);
  await stream.until((all) =>
    all.some(({ workerStatusChanged }) => workerStatusChanged.status === "SUCCEEDED"),
  );
  const expected = stream.messages
    .map(({ workerStatusChanged }) => workerStatusChanged)
    .filter(({ report, status }) => report !== null || !["QUEUED", "PREPARING"].includes(status))
    .map(({ sequence }) => String(sequence));
  const entries = activity.locator('[data-parent="long"]');
  await entries.nth(expected.length - 1).waitFor();
  const shown = await entries.evaluateAll((items) =>
    items.map((item) => item.getAttribute("data-sequence")),
  );
  expect(shown.toReversed()).toEqual(expected);
  await stays();
  await gate.dispose();
});

test("a browser whose token is no longer the server's is told to sign in", async () => {
  const { page } = await openMonitor(browser, factory);
  await page.getByText("Live", { exact: true }).waitFor();
  const port = new URL(factory.url).port;
  await factory.terminate();
  factory = await factory.restart({ PORT: port, FACTORY_TOKEN: "another-token-of-the-operator" });
  await page.getByText("This browser is not signed in any more").waitFor();
  await expectAccessible(page);
});

test("200 workers are drawn and followed while somebody types", async () => {
  const { done } = await factory.query<{ done: { totalCount: number } }>(
    "{ done: workerSessions(status: [SUCCEEDED]) { totalCount } }",
  );
  const gate = await createGate();
  const workers = await dispatchMany(factory, 200, (number) => ({
    parentSession: `team-${String(number % 8)}`,
    repository,
    branch: `many/${String(number % 4)}`,
    task: `echo ${String(number)}; ${gate.wait}`,
  }));
  const opened = await openMonitor(browser, factory);
  const { page } = opened;
  for (const { name } of [workers[0]!, workers[199]!]) await rowOf(page, name).waitFor();
  const rows = panel(page, "Workers").locator(".worker-row");
  expect(await rows.count()).toBeGreaterThanOrEqual(200);

  // Twenty of them begin and end meanwhile, and somebody types.
  await gate.open(20);
  await page.keyboard.press("/");
  await page.keyboard.type("team-3");
  await rowOf(page, workers[3]!.name).waitFor();
  await page.keyboard.press("Control+A");
  await page.keyboard.press("Delete");
  const ended = `${String(done.totalCount + 20)} succeeded`;
  await page.getByRole("button", { name: ended }).waitFor({ timeout: 60_000 });
  expectNoComplaints(opened, factory);
}, 120_000);
