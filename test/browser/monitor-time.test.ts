// The time chart of a parent, live: against a real server with real workers.
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import type { Locator, Page } from "playwright-core";
import { startBrowser, type TestBrowser } from "../support/browser.ts";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import {
  expectAccessible,
  expectNoComplaints,
  expectNoReload,
  openMonitor,
  widthBeyond,
} from "../support/monitor.ts";
import {
  createGate,
  dispatch,
  untilEnded,
  untilPrinted,
  type Gate,
  type Worker,
} from "../support/workers.ts";

const repository = { owner: "acme", name: "app" };

let git: GitServer;
let factory: FactoryServer;
let browser: TestBrowser;
let gate: Gate;

beforeAll(async () => {
  git = await startGitServer();
  await git.createRepository("acme", "app");
  [factory, browser, gate] = await Promise.all([
    startFactory({ git, env: { FACTORY_MAX_WORKERS: "2" } }),
    startBrowser(),
    createGate(),
  ]);
});

afterEach(() => browser.closePages());

afterAll(async () => {
  await browser.close();
  await factory.dispose();
  await git.stop();
  await gate.dispose();
});

const run = (parentSession: string, task: string) =>
  dispatch(factory, { parentSession, repository, task });

const bar = (page: Page, worker: string, status = "") =>
  page.getByRole("link", { name: new RegExp(`^${worker} \\S+ ${status}`) });

const attributes = (found: Locator, name: string) =>
  found.evaluateAll(
    (elements, attribute) => elements.map((element) => element.getAttribute(attribute)),
    name,
  );

test("each worker is a bar from the queue to its end, which grows while it has not ended", async () => {
  const failed = await run("ada", "exit 3");
  await untilEnded(factory, failed.name);
  const running = await run("ada", `echo there; ${gate.wait}`);
  await untilPrinted(factory, running.name, "there");

  const opened = await openMonitor(browser, factory, "/parents/ada/time");
  const { page } = opened;
  await bar(page, failed.name).waitFor();
  const stays = await expectNoReload(page);
  expect((await bar(page, failed.name).innerText()).replaceAll("\n", " ")).toMatch(
    /^worker-\d+ worker-\d+ failed [\d.]+s shell, queued [\d.]+s, preparing [\d.]+s/,
  );
  const statuses = (worker: string) =>
    bar(page, worker)
      .locator("rect")
      .evaluateAll((rects) => rects.map((rect) => rect.getAttribute("data-status")));
  expect((await statuses(failed.name)).slice(0, 2)).toEqual(["QUEUED", "PREPARING"]);
  expect((await statuses(failed.name)).at(-1)).toBe("FAILED");
  expect((await statuses(running.name)).at(-1)).toBe("RUNNING");

  // What is dispatched meanwhile comes by itself.
  const last = await run("ada", "true");
  await bar(page, last.name, "succeeded").waitFor();
  const share = async () => {
    const [own, all] = await Promise.all([
      bar(page, running.name).locator('rect[data-status="RUNNING"]').boundingBox(),
      bar(page, running.name).locator("svg.bar").boundingBox(),
    ]);
    return own!.width / all!.width;
  };
  const before = await share();
  const figure = bar(page, running.name).locator(".bar-figure");
  // By itself, not with whatever else happens now and then.
  for (let ticks = 0; ticks < 3; ticks += 1) {
    const text = await figure.innerText();
    const other = figure.and(page.locator(`:not(:text-is("${text}"))`));
    await other.waitFor({ timeout: 5_000 });
  }
  expect(await share()).toBeGreaterThan(before);

  // Its figures, by the pointer and by the keyboard.
  await bar(page, failed.name).hover();
  const details = page.locator(".bar-details");
  await details.getByText("exit code 3").waitFor();
  await page.mouse.move(0, 0);
  await bar(page, failed.name).focus();
  await page.keyboard.press("ArrowDown");
  await details.getByRole("strong").getByText(running.name).waitFor();
  await page.keyboard.press("End");
  await details.getByRole("strong").getByText(last.name).waitFor();
  await expectAccessible(page);
  await page.emulateMedia({ colorScheme: "dark" });
  await expectAccessible(page);

  // The same as a table.
  await page.getByRole("button", { name: "Table" }).click();
  const row = page.getByRole("row", { name: new RegExp(`^${failed.name}`) });
  await row.getByText("failed").waitFor();
  await expectAccessible(page);
  await page.getByRole("button", { name: "Chart" }).click();

  await gate.open();
  await bar(page, running.name, "succeeded").waitFor();
  await stays();
  await page.keyboard.press("Tab");
  await bar(page, last.name).focus();
  await page.keyboard.press("Enter");
  await page.waitForURL(`**/workers/${last.name}`);
  expectNoComplaints(opened, factory);
});

test("workers of workers stand below those that dispatched them, at any depth", async () => {
  const own = await createGate();
  const [first, second] = [await run("eve", "true"), await run("eve", "true")];
  await untilEnded(factory, first.name);
  const child = await run(first.name, "true");
  await run("somebody else", "true");

  const opened = await openMonitor(browser, factory, "/parents/eve/time");
  const { page } = opened;
  await bar(page, child.name, "succeeded").waitFor();
  // What they dispatch meanwhile comes by itself, and so does its end.
  const grandchild = await run(child.name, `echo there; ${own.wait}`);
  await bar(page, grandchild.name, "running").waitFor();
  const family = [first, child, grandchild, second].map(({ name }) => name);
  const depths = ["0", "1", "2", "0"];
  const rows = page.locator(".bars > li");
  expect(await rows.locator(".bar-worker").allInnerTexts()).toEqual(family);
  expect(await attributes(rows, "data-depth")).toEqual(depths);
  await page.getByRole("link", { name: `dispatched by ${child.name}` }).waitFor();
  const total = page.locator(".total").filter({ hasText: /^Workers/ });
  expect(await total.innerText()).toMatch(/\b4$/);
  await expectAccessible(page);
  await own.open();
  await bar(page, grandchild.name, "succeeded").waitFor();

  await page.getByRole("button", { name: "Table" }).click();
  const heads = page.locator(".time-table tbody th");
  expect(await heads.allInnerTexts()).toEqual(family);
  expect(await attributes(heads, "data-depth")).toEqual(depths);

  // A worker's own chart begins at what it dispatched itself.
  await page.goto(new URL(`/parents/${first.name}/time`, page.url()).href);
  await bar(page, grandchild.name, "succeeded").waitFor();
  expect(await rows.locator(".bar-worker").allInnerTexts()).toEqual(family.slice(1, 3));
  expect(await attributes(rows, "data-depth")).toEqual(["0", "1"]);
  expectNoComplaints(opened, factory);
  await own.dispose();
});

test("200 workers have a bar each, and 390 pixels are wide enough", async () => {
  const own = await createGate();
  const held = await run("many", `echo there; ${own.wait}`);
  await untilPrinted(factory, held.name, "there");
  const workers: Worker[] = [];
  while (workers.length < 199) {
    const rest = Math.min(20, 199 - workers.length);
    const some = Array.from({ length: rest }, () => run("many", `echo; ${gate.wait}`));
    workers.push(...(await Promise.all(some)));
  }
  const opened = await openMonitor(browser, factory, "/parents/many/time", {
    viewport: { width: 390, height: 844 },
  });
  const { page } = opened;
  await page.getByText("200", { exact: true }).first().waitFor();
  expect(await page.locator("a.bar-row").count()).toBe(200);
  expect(await widthBeyond(page)).toBe(0);
  await page.getByLabel("Order").selectOption("longest first");
  await bar(page, workers[0]!.name).focus();
  await page.keyboard.press("End");
  await own.open();
  await bar(page, held.name, "succeeded").waitFor();
  expectNoComplaints(opened, factory);
});

test("a parent without workers says what will be here", async () => {
  const { page } = await openMonitor(browser, factory, "/parents/nobody%20yet/time");
  await page.getByText("nobody yet has dispatched no workers yet").waitFor();
  await expectAccessible(page);
  const { name } = await run("nobody yet", "true");
  await bar(page, name).waitFor();
});
