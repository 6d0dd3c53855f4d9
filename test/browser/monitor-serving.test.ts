import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import type { Page } from "playwright-core";
import { startBrowser, type TestBrowser } from "../support/browser.ts";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { expectAccessible, expectNoComplaints, openMonitor } from "../support/monitor.ts";

let factory: FactoryServer;
let browser: TestBrowser;

beforeAll(async () => {
  [factory, browser] = await Promise.all([startFactory(), startBrowser()]);
});

afterEach(() => browser.closePages());

afterAll(async () => {
  await browser.close();
  await factory.dispose();
});

test("signing in opens the monitor, from this server alone and with nothing inline", async () => {
  const opened = await openMonitor(browser, factory);
  await opened.page.getByText("Live", { exact: true }).waitFor();
  expect(opened.page.url()).toBe(`${factory.url}/`);
  expect(opened.requests.some((address) => address.startsWith("ws:"))).toBe(true);
  expectNoComplaints(opened, factory);
  await expectAccessible(opened.page);

  const response = await factory.fetch("/");
  const policy = response.headers.get("content-security-policy") ?? "";
  expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self' 'nonce-");
  expect(policy).not.toContain("unsafe");
  expect(response.headers.get("cache-control")).toBe("no-store");
});

test("its files are compressed, kept for ever by the browser, and for those with a token alone", async () => {
  const page = await (await factory.fetch("/workers/worker-1")).text();
  const paths = [...page.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map(
    ([, path]) => path ?? "",
  );
  expect(new Set(paths.map((path) => path.replace(/.*\./, "")))).toEqual(
    new Set(["css", "js", "svg"]),
  );
  for (const path of paths) {
    const response = await factory.fetch(path, { headers: { "accept-encoding": "br" } });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-encoding")).toBe("br");
    expect(response.headers.get("cache-control")).toContain("immutable");
    expect((await fetch(`${factory.url}${path}`)).status).toBe(401);
  }
});

test("all its JavaScript is under 300 kB, and the overview's under half of that", async () => {
  const assets = join(import.meta.dirname, "..", "..", "dist", "monitor", "assets");
  const sizes = new Map<string, number>();
  for (const name of await readdir(assets)) {
    if (name.endsWith(".js.br")) sizes.set(name, (await stat(join(assets, name))).size);
  }
  const sum = (names: Iterable<string>) =>
    [...names].reduce((bytes, name) => bytes + (sizes.get(name) ?? NaN), 0);
  expect(sum(sizes.keys())).toBeLessThan(300_000);
  const page = await (await factory.fetch("/")).text();
  const first = [...page.matchAll(/"\/assets\/([^"]+\.js)"/g)].map(
    ([, name]) => `${name ?? ""}.br`,
  );
  expect(first.length).toBeGreaterThan(0);
  expect(sum(first)).toBeLessThan(150_000);
});

test("a browser that isn't signed in gets the sign-in page wherever it asks, and goes on there", async () => {
  for (const path of ["/workers/worker-1", "/graphql"]) {
    const { page } = await browser.open(`${factory.url}${path}`);
    await page.getByLabel("Token").fill("wrong");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").getByText("This is not the server's token").waitFor();
    await expectAccessible(page);
    await page.getByLabel("Token").fill(factory.token);
    await page.keyboard.press("Enter");
    await page.waitForURL(`${factory.url}${path}`);
  }
});

test("a link from another site opens the page for whoever is signed in, and a sign-out ends all tabs", async () => {
  const { page } = await openMonitor(browser, factory);
  const other = await page.context().newPage();
  // Another site, as names differ.
  await other.route("http://localhost:1/", (route) =>
    route.fulfill({
      contentType: "text/html",
      body: `<a href="${factory.url}/workers/worker-9">See</a>`,
    }),
  );
  await other.goto("http://localhost:1/");
  await other.getByRole("link", { name: "See" }).click();
  await other.getByText("There is no worker-9").waitFor();

  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("Token").waitFor();
  await other.getByText("This browser is not signed in any more").waitFor();
  await expectAccessible(other);
  await other.getByRole("link", { name: "Sign in" }).click();
  await other.getByLabel("Token").fill(factory.token);
  await other.keyboard.press("Enter");
  await other.waitForURL(`${factory.url}/workers/worker-9`);
});

test.each(["/workers/worker-1/nothing", "/nothing"])(
  "an address that there is no page for leads back to the overview: %s",
  async (path) => {
    const { page } = await openMonitor(browser, factory, path);
    await page.getByRole("link", { name: "Go to the overview" }).click();
    expect(page.url()).toBe(`${factory.url}/`);
  },
);

test("a parent's address is that of its time chart", async () => {
  const { page } = await openMonitor(browser, factory, "/parents/some%20one");
  await page.waitForURL(`${factory.url}/parents/some%20one/time`);
});

/** The file of a worker's page, which is loaded when it is gone to. */
const pageFile = /\/assets\/page-[^/]+\.js$/;

test("a file that is no longer there, as the server's was replaced, has the page loaded anew", async () => {
  const { page, requests } = await openMonitor(browser, factory);
  await page.route(pageFile, (route) => route.fulfill({ status: 404 }), { times: 1 });
  await goToWorker(page, 9);
  await page.getByText("There is no worker-9").waitFor();
  expect(requests.filter((address) => pageFile.test(address)).length).toBeGreaterThan(1);
});

test("a page that throws says so in its place, and the others go on", async () => {
  const { page } = await openMonitor(browser, factory);
  await page.route(pageFile, (route) =>
    route.fulfill({
      contentType: "text/javascript",
      body: 'export default () => { throw new Error("broken on purpose"); };',
    }),
  );
  await goToWorker(page, 9);
  await page.getByText("This page has met a mistake of its own").waitFor();
  await page.getByText("broken on purpose").waitFor();
  await expectAccessible(page);
  await page.goBack();
  await page.getByRole("heading", { name: "Workers" }).waitFor();
});

/** From a page that is there, without a load of its own. */
async function goToWorker(page: Page, number: number): Promise<void> {
  await page.keyboard.press("Control+k");
  const palette = page.getByRole("dialog", { name: "Command palette" });
  await palette.getByRole("combobox").fill(String(number));
  await palette.getByRole("option", { name: `Go to worker-${String(number)}` }).waitFor();
  await page.keyboard.press("Enter");
}
