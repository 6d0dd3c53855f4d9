import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, test } from "@jest/globals";
import { startBrowser, type TestBrowser } from "../support/browser.ts";
import { startDemo, type Demo } from "../support/demo.ts";
import { openMonitor } from "../support/monitor.ts";

const docs = join(import.meta.dirname, "..", "..", "docs");

let demo: Demo;
let browser: TestBrowser;

beforeAll(async () => {
  await mkdir(docs, { recursive: true });
  [demo, browser] = await Promise.all([startDemo(), startBrowser()]);
}, 120_000);

afterAll(async () => {
  await browser.close();
  await demo.stop();
});

for (const colorScheme of ["light", "dark"] as const) {
  test(`the overview, ${colorScheme}`, async () => {
    const { page } = await openMonitor(browser, demo.factory, "/", {
      colorScheme,
      viewport: { width: 1200, height: 740 },
    });
    await page.getByRole("heading", { name: "Needs you" }).waitFor();
    await page.getByText("Hotfix: the cart loses its voucher").first().waitFor();
    await page.waitForTimeout(1000);
    await page.screenshot({ path: join(docs, `overview-${colorScheme}.png`) });
  });
}
