import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { Page } from "playwright-core";
import { startBrowser, type TestBrowser } from "../support/browser.ts";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { openMonitor } from "../support/monitor.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { dispatch, untilEnded } from "../support/workers.ts";

let git: GitServer;
let factory: FactoryServer;
let browser: TestBrowser;

beforeAll(async () => {
  git = await startGitServer();
  [factory, browser] = await Promise.all([startFactory({ git }), startBrowser()]);
  await git.createRepository("octocat", "Hello-World", { files: { "hello.txt": "hello\n" } });
});

afterAll(async () => {
  await browser.close();
  await factory.dispose();
  await git.stop();
});

/** Chooses one of the document's operations from the button's menu. */
async function runOperation(page: Page, name: string): Promise<void> {
  await page.locator(".graphiql-execute-button").click();
  await page.getByRole("menuitem", { name, exact: true }).click();
}

/** Resolves when the answer that is shown holds them all. */
async function seeAnswer(page: Page, ...words: string[]): Promise<void> {
  for (const word of words) {
    await page.locator(".graphiql-response").getByText(word).first().waitFor();
  }
}

test("a newcomer signs in, and clones, dispatches, watches and looks in GraphiQL", async () => {
  const { page, requests, complaints } = await openMonitor(browser, factory, "/graphql");
  // Out of reach of scripts.
  expect(await page.evaluate("document.cookie")).toBe("");
  await page.locator(".graphiql-execute-button").waitFor();

  await runOperation(page, "Clone");
  await seeAnswer(page, "octocat/Hello-World");
  await runOperation(page, "Dispatch");
  await seeAnswer(page, "worker-1");
  await untilEnded(factory, "worker-1");

  // What was before is replayed, and what comes is shown as it comes.
  await runOperation(page, "Watch");
  await seeAnswer(page, "worker-1", "SUCCEEDED");
  const repository = { owner: "octocat", name: "Hello-World" };
  const second = await dispatch(factory, {
    parentSession: "me",
    task: "cat hello.txt",
    repository,
  });
  await seeAnswer(page, second.name, "SUCCEEDED");
  await page.getByRole("button", { name: /stop query/i }).click();

  await runOperation(page, "Look");
  await seeAnswer(page, second.name, "hello");

  const hosts = new Set(
    requests
      .filter((address) => !address.startsWith("data:"))
      .map((address) => new URL(address.replace(/^blob:/, "")).host),
  );
  expect(hosts).toEqual(new Set([new URL(factory.url).host]));
  expect(requests.some((address) => address.startsWith("ws:"))).toBe(true);
  // What the policy keeps out would be complained of.
  expect(complaints).toEqual([]);
  const response = await factory.fetch("/graphql", { headers: { accept: "text/html" } });
  const policy = response.headers.get("content-security-policy") ?? "";
  expect(policy).toMatch(/^default-src 'none'; script-src 'nonce-[\w+/=]+';/);
  expect(policy).not.toMatch(/unsafe-eval|script-src[^;]*unsafe|https?:/);
});

test("without the token a browser is shown what to do, and no GraphiQL", async () => {
  const { page } = await browser.open(`${factory.url}/graphql`);
  expect(await page.locator("body").innerText()).toContain("Sign in to Factory");
  expect(await page.locator(".graphiql-container").count()).toBe(0);
});
