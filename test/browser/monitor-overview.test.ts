// What the overview shows, live: against a real server with real workers.
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import type { Page } from "playwright-core";
import { startBrowser, type TestBrowser } from "../support/browser.ts";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startMember } from "../support/family.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import {
  expectAccessible,
  expectNoComplaints,
  expectNoReload,
  openMonitor,
  panel,
  rowOf,
} from "../support/monitor.ts";
import { cloned, createWorktree } from "../support/repositories.ts";
import { cancel, createGate, dispatch, dispatchMany, untilEnded } from "../support/workers.ts";

const repository = { owner: "acme", name: "shop" };

let git: GitServer;
let factory: FactoryServer;
let browser: TestBrowser;

beforeAll(async () => {
  git = await startGitServer();
  [factory, browser] = await Promise.all([
    startFactory({ env: { FACTORY_MAX_WORKERS: "3" } }),
    startBrowser(),
  ]);
});

afterEach(() => browser.closePages());

afterAll(async () => {
  await browser.close();
  await factory.dispose();
  await git.stop();
});

test("a server without anything says what to do first", async () => {
  const opened = await openMonitor(browser, factory);
  const { page } = opened;
  await page.getByText("No workers yet").waitFor();
  await page.getByText("Clone one to begin with").waitFor();
  await expectAccessible(page);
  await page.getByRole("button", { name: "Dispatch a worker" }).click();
  await page.getByRole("dialog", { name: "Dispatch a worker" }).waitFor();
  expectNoComplaints(opened, factory);
});

test("repositories, worktrees and workers come, change and go without a reload", async () => {
  const opened = await openMonitor(browser, factory);
  const { page } = opened;
  await page.getByText("No workers yet").waitFor();
  const stays = await expectNoReload(page);

  await cloned(factory, git, repository);
  const repositories = panel(page, "Repositories");
  await repositories.getByText("acme/shop").waitFor();
  await repositories.getByText("synced", { exact: true }).waitFor();
  await repositories.getByText("main", { exact: true }).waitFor();

  await createWorktree(factory, { ...repository, branch: "feat/own" });
  const own = panel(page, "Worktrees").getByRole("listitem").filter({ hasText: "feat/own" });
  await own.getByText("ready").waitFor();

  const gate = await createGate();
  const { name } = await dispatch(factory, {
    parentSession: "ada",
    repository,
    branch: "feat/own",
    task: `factory report 'half way'; echo there; ${gate.wait}`,
  });
  await own.getByText("running").waitFor();
  await own.getByRole("link", { name }).waitFor();
  const row = rowOf(page, name);
  await row.getByText("running").waitFor();
  await row.getByText("half way", { exact: true }).waitFor();
  await row.getByText("shell").waitFor();
  await page.getByRole("button", { name: "ada" }).waitFor();
  await page.getByRole("button", { name: "1 running" }).waitFor();

  await gate.open();
  await row.getByText("succeeded").waitFor();
  await own.getByText("ready").waitFor();
  await page.getByRole("button", { name: "1 succeeded" }).waitFor();
  // Said aloud, too.
  await page.getByRole("log").getByText(`${name} is succeeded`).waitFor();

  await stays();
  await gate.dispose();
  expectNoComplaints(opened, factory);
});

test("a worker's own workers stand below it, and the queue says why each waits", async () => {
  const parent = await startMember(factory, { parentSession: "lead", repository, branch: "lead" });
  const child = await startMember(
    factory,
    { parentSession: parent.name, repository, branch: "lead-1" },
    parent.token,
  );
  const other = await startMember(factory, { parentSession: "zoe", repository, branch: "zoe" });
  const second = await dispatch(factory, { parentSession: "zoe", repository, task: "true" });
  const first = await dispatch(factory, {
    parentSession: "zoe",
    repository,
    task: "true",
    priority: 5,
  });

  const opened = await openMonitor(browser, factory);
  const { page } = opened;
  const below = page.getByRole("list", { name: `Workers of ${parent.name}` });
  await below.getByRole("link", { name: child.name }).waitFor();
  await page
    .getByRole("list", { name: "Workers of lead" })
    .getByRole("link", { name: parent.name, exact: true })
    .waitFor();

  const queue = panel(page, "Queue");
  await queue.getByText("3 of 3 workers running").first().waitFor();
  expect(await queue.getByRole("listitem").allInnerTexts()).toEqual([
    expect.stringMatching(new RegExp(`^${first.name}[^]*1st in the queue.*priority 5`)),
    expect.stringMatching(new RegExp(`^${second.name}[^]*2nd in the queue`)),
  ]);
  await expectAccessible(page);

  // The filter leaves what fits, and its numbers are those of the whole server.
  await page.getByRole("button", { name: "2 queued" }).click();
  // It was there before too: what the filter takes away tells that it has been applied.
  await rowOf(page, other.name).waitFor({ state: "detached" });
  await rowOf(page, first.name).waitFor();
  await page.getByRole("button", { name: "2 queued" }).click();
  await page.keyboard.press("/");
  await page.keyboard.type("zoe");
  await rowOf(page, parent.name).waitFor({ state: "detached" });
  await rowOf(page, other.name).waitFor();
  await page.keyboard.type("nobody");
  await page.getByText("No worker is like that").waitFor();

  await Promise.all([parent, child, other].map((member) => member.release()));
  await untilEnded(factory, second.name);
  await queue.getByText("Nobody waits").waitFor();
  await Promise.all([parent, child, other].map((member) => member.dispose()));
  expectNoComplaints(opened, factory);
});

test("activity stands in the order in which it happened, whichever parent's stream came first", async () => {
  const report = async (parentSession: string, text: string) => {
    const { name } = await dispatch(factory, {
      parentSession,
      repository,
      task: `factory report ${text}`,
    });
    await untilEnded(factory, name);
  };
  await report("early", "first");
  const gate = await createGate();
  const { name } = await dispatch(factory, {
    parentSession: "late",
    repository,
    task: `factory report second; ${gate.wait}`,
  });
  const { page } = await openMonitor(browser, factory);
  const activity = panel(page, "Activity");
  await activity.getByText("second", { exact: true }).waitFor();
  // Its stream begins with what was before, and comes after the other's.
  await report("early", "third");
  await activity.getByText("third", { exact: true }).waitFor();
  await gate.open();
  await untilEnded(factory, name);
  const texts = await activity.getByText(/^(first|second|third)$/).allInnerTexts();
  expect(texts).toEqual(["third", "second", "first"]);
  await gate.dispose();
});

test("what failed stands on top and in the title until it is dismissed, also after a reload", async () => {
  const opened = await openMonitor(browser, factory);
  const { page } = opened;
  await page.getByText("Live", { exact: true }).waitFor();
  await expect(page.title()).resolves.toBe("Factory");
  const { name } = await dispatch(factory, {
    parentSession: "ada",
    repository,
    task: "echo no >&2; exit 7",
  });
  const needs = panel(page, "Needs you");
  await needs.getByRole("link", { name }).waitFor();
  await needs.getByText("exit code 7").waitFor();
  await untilTitle(page, "(1) Factory");
  expect(await page.getByRole("heading", { level: 2 }).first().innerText()).toContain("Needs you");
  await expectAccessible(page);

  await needs.getByRole("button", { name: `Dismiss ${name}` }).click();
  await untilTitle(page, "Factory");
  await page.reload();
  await rowOf(page, name).getByText("failed").waitFor();
  expect(await panel(page, "Needs you").count()).toBe(0);
  expectNoComplaints(opened, factory);
});

test("words of others are shown as they are, whatever they hold", async () => {
  const opened = await openMonitor(browser, factory);
  const { page } = opened;
  const words = `<img src=x onerror="document.title='taken'"> \u001b[31mred\u202e ${"long ".repeat(10_000)}`;
  const { name } = await dispatch(factory, {
    parentSession: "<b>nobody</b>",
    repository,
    task: `${words}\nexit 1`,
  });
  const row = rowOf(page, name);
  await row.getByText("failed").waitFor();
  const shown = await row.locator(".worker-task").innerText();
  expect(shown).toMatch(/^<img src=x onerror="document.title='taken'"> red (long )+/);
  expect(shown.length).toBeLessThan(600);
  await page.getByRole("button", { name: "<b>nobody</b>" }).waitFor();
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  expect(width).toBe(1280);
  expect(await page.title()).toMatch(/^\(\d+\) Factory$/);
  expectNoComplaints(opened, factory);
});

test("older workers are loaded when asked for, and no more", async () => {
  // They wait for one that has their branch, and are called off: so many that have ended cost no process.
  const gate = await createGate();
  const many = { parentSession: "many", repository, branch: "many" };
  const first = await dispatch(factory, { ...many, task: gate.wait });
  const waiting = await dispatchMany(factory, 55, () => ({ ...many, task: "true" }));
  for (const { name } of waiting) await cancel(factory, name);
  await gate.open();
  await untilEnded(factory, first.name);
  await gate.dispose();

  const opened = await openMonitor(browser, factory);
  const { page } = opened;
  const total = await factory.query<{ workerSessions: { totalCount: number } }>(
    "{ workerSessions { totalCount } }",
  );
  await page
    .getByRole("button", { name: `${String(total.workerSessions.totalCount)} all` })
    .waitFor();
  // Long lists show their beginning.
  const list = page.getByRole("list", { name: "Workers of many" });
  await page.getByRole("button", { name: "many", exact: true }).click();
  const more = list.getByRole("button", { name: /^Show \d+ more that have ended$/ });
  const hidden = Number(/\d+/.exec(await more.innerText())?.[0]);
  await more.click();
  await more.waitFor({ state: "detached" });
  expect(await list.getByRole("listitem").count()).toBe(8 + hidden);
  expect(await rowOf(page, "worker-1").count()).toBe(0);
  await page.getByRole("button", { name: "Load older workers" }).click();
  await rowOf(page, "worker-1").waitFor();
  await page.getByRole("button", { name: "Load older workers" }).waitFor({ state: "detached" });
  expectNoComplaints(opened, factory);
});

test("a phone's width holds it all, in dark colours too", async () => {
  const viewport = { width: 375, height: 740 };
  const opened = await openMonitor(browser, factory, "/", { viewport, colorScheme: "dark" });
  const { page } = opened;
  await page.getByRole("button", { name: "many", exact: true }).waitFor();
  const widths = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  expect(widths).toEqual([375, 375]);
  await expectAccessible(page);

  // Light by choice, and remembered.
  const ground = () =>
    page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const dark = await ground();
  await page.getByRole("button", { name: /^Colours: as the system has it/ }).click();
  const light = await ground();
  expect(light).not.toBe(dark);
  await page.reload();
  await page.getByRole("button", { name: /^Colours: light/ }).waitFor();
  expect(await ground()).toBe(light);
  expectNoComplaints(opened, factory);
});

async function untilTitle(page: Page, title: string): Promise<void> {
  await page.waitForFunction((expected) => document.title === expected, title);
}
