// What the tests of the Agents Monitor share: opening it, and what each of its pages must hold to.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { expect } from "@jest/globals";
import type { AxeResults } from "axe-core";
import type { Locator, Page } from "playwright-core";
import type { OpenPage, PageOptions, TestBrowser } from "./browser.ts";
import type { FactoryServer } from "./factory.ts";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Signs in as a person does, then goes to the path. */
export async function openMonitor(
  browser: TestBrowser,
  factory: FactoryServer,
  path = "/",
  options: PageOptions = {},
): Promise<OpenPage> {
  const next = encodeURIComponent(path);
  const opened = await browser.open(`${factory.url}/sign-in?next=${next}`, options);
  await opened.page.getByLabel("Token").fill(factory.token);
  await opened.page.getByRole("button", { name: "Sign in" }).click();
  await opened.page.waitForURL(new URL(path, factory.url).href);
  return opened;
}

/** Nothing from another host, nothing that the Content-Security-Policy refused, no error on the console. */
export function expectNoComplaints(
  { requests, complaints }: OpenPage,
  factory: FactoryServer,
): void {
  const { host } = new URL(factory.url);
  expect(requests.filter((address) => new URL(address).host !== host)).toEqual([]);
  expect(complaints).toEqual([]);
}

/** By axe-core, in the colours that the page has now. */
export async function expectAccessible(page: Page): Promise<void> {
  // In the page's own world, past its Content-Security-Policy.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() =>
    (window as unknown as { axe: { run(): Promise<AxeResults> } }).axe.run(),
  );
  expect(
    violations.map(({ id, nodes }) => ({
      id,
      at: nodes.map(({ html, failureSummary }) => [html, failureSummary]),
    })),
  ).toEqual([]);
}

/** A titled part of a page. */
export function panel(page: Page, title: string): Locator {
  return page.getByRole("region", { name: new RegExp(`^${title}\\b`) });
}

/** A worker's row in the tree of workers. */
export function rowOf(page: Page, worker: string): Locator {
  return panel(page, "Workers")
    .locator(".worker-row")
    .filter({ has: page.getByRole("link", { name: worker, exact: true }) });
}

/** Returns what fails where the page was loaded anew meanwhile. */
export async function expectNoReload(page: Page): Promise<() => Promise<void>> {
  await page.evaluate(() => Object.assign(window, { wasHere: true }));
  return async () => {
    expect(await page.evaluate(() => "wasHere" in window)).toBe(true);
  };
}

/** By how many pixels the page is wider than its window. */
export async function widthBeyond(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
}
