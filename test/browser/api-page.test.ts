// The REST API's page for people.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { Page } from "playwright-core";
import { startBrowser, type TestBrowser } from "../support/browser.ts";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { openMonitor } from "../support/monitor.ts";
import { cloned } from "../support/repositories.ts";

let git: GitServer;
let factory: FactoryServer;
let browser: TestBrowser;

beforeAll(async () => {
  git = await startGitServer();
  [factory, browser] = await Promise.all([startFactory(), startBrowser()]);
  await cloned(factory, git, { owner: "acme", name: "app" });
});

afterAll(async () => {
  await browser.close();
  await factory.dispose();
  await git.stop();
});

/** What the server answered to an operation that is tried with these parameters. */
async function tryOut(page: Page, operation: string, fields: Readonly<Record<string, string>>) {
  const block = page.locator(`[id$="-${operation}"]`);
  await block.locator(".opblock-summary-control").click();
  await block.locator(".try-out__btn").click();
  for (const [name, value] of Object.entries(fields)) {
    await block.getByPlaceholder(name, { exact: true }).fill(value);
  }
  await block.locator("button.execute").click();
  return block.locator(".live-responses-table .response").first().innerText();
}

test("shows every operation and tries them with the browser's cookie, and nothing comes from elsewhere", async () => {
  const { page, requests, complaints } = await openMonitor(browser, factory, "/api");
  const operations = page.locator(".opblock");
  await operations.first().waitFor();
  expect(await operations.count()).toBe(16);

  expect(await tryOut(page, "listRepositories", {})).toContain("acme/app");
  // A POST without a body, and a branch with a slash.
  const place = { owner: "acme", repo: "app" };
  expect(await tryOut(page, "syncRepository", place)).toContain('"synced": true');
  const branch = "feat/login";
  expect(await tryOut(page, "createWorktree", { ...place, branch })).toMatch(/^201/);
  expect(await tryOut(page, "getWorktree", { ...place, branch })).toContain(branch);
  const refused = await tryOut(page, "getSession", { name: "nobody" });
  expect(refused).toMatch(/^404/);

  const hosts = new Set(requests.map((address) => new URL(address.replace(/^blob:/, "")).host));
  expect([...hosts]).toEqual([new URL(factory.url).host]);
  // The browser complains of what the content security policy keeps out, and of the refusal.
  expect(complaints.filter((words) => !words.includes("404"))).toEqual([]);
});

test("is closed to whoever has no token", async () => {
  const { page } = await browser.open(`${factory.url}/api`);
  expect(await page.content()).not.toContain("swagger");
});
