// A worker's page, live: against a real server, with an agent that says, does and asks what it is told to.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import type { Page } from "playwright-core";
import { startBrowser, type TestBrowser } from "../support/browser.ts";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startMember } from "../support/family.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { queryDatabase } from "../support/inventory.ts";
import { runMaintenance } from "../support/maintenance.ts";
import {
  expectAccessible,
  expectNoComplaints,
  expectNoReload,
  openMonitor,
  panel,
  widthBeyond,
} from "../support/monitor.ts";
import { availability } from "../support/sandbox.ts";
import { pendingOf, untilAsked, untilSaid, writeScriptedAgents } from "../support/talks.ts";
import { createGate, dispatch, untilEnded, untilPrinted } from "../support/workers.ts";

const repository = { owner: "acme", name: "app" };

let git: GitServer;
let factory: FactoryServer;
let browser: TestBrowser;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "factory-monitor-worker-"));
  git = await startGitServer();
  await git.createRepository("acme", "app");
  [factory, browser] = await Promise.all([
    startFactory({
      git,
      env: {
        FACTORY_AGENTS: await writeScriptedAgents(folder),
        FACTORY_PERMISSIONS: "ASK",
        FACTORY_RETENTION_DAYS: "7",
        FACTORY_MAX_WORKERS: "8",
      },
    }),
    startBrowser(),
  ]);
});

afterEach(() => browser.closePages());

afterAll(async () => {
  await browser.close();
  await factory.dispose();
  await git.stop();
  await rm(folder, { recursive: true, force: true });
});

/** An agent that does this, a line each. */
function begin(...lines: string[]) {
  const task = ["Look after the ledger", ...lines.map((line) => `do: ${line}`)].join("\n");
  return dispatch(factory, { parentSession: "ada", repository, agent: "scripted", task });
}

const stream = (page: Page) => page.getByRole("log", { name: "Stream of" });

/** In the agent's own words: the task above them may hold the same. */
const words = (page: Page, text: string) =>
  stream(page)
    .locator('[data-role="AGENT"], [data-role="THOUGHT"]')
    .getByText(text, { exact: true });

test("what an agent says, does, plans and uses is seen as it happens", async () => {
  const file = join(folder, "go-on");
  const { name } = await begin(
    "think Two writers, it seems.",
    "plan Read the ledger | Move the writer",
    "say I found the writer.",
    `wait-file ${file}`,
    "commit refunds.ts",
    "usage 91400 7050 1.86",
    "say <img src=x onerror=alert(1)> moved.",
  );
  await untilSaid(factory, name, "I found the writer.");
  const opened = await openMonitor(browser, factory, `/workers/${name}`);
  const { page } = opened;
  await words(page, "I found the writer.").waitFor();
  await words(page, "Two writers, it seems.").waitFor();
  await stream(page).getByText("- [~] Read the ledger").waitFor();
  const stays = await expectNoReload(page);
  expect(await page.title()).toContain(name);

  // What waits for the end of its turn is seen until then.
  await page.getByRole("textbox", { name: `Message to ${name}` }).fill("do: say Heard you.");
  await page.keyboard.press("Enter");
  await panel(page, "Messages that wait").getByText("do: say Heard you.").waitFor();

  await writeFile(file, "");
  const tool = stream(page).locator(".tool-block").filter({ hasText: "commit refunds.ts" });
  await tool.getByText("create mode 100644 refunds.ts").waitFor();
  await tool.getByText("done").waitFor();
  await words(page, "<img src=x onerror=alert(1)> moved.").waitFor();
  await words(page, "Heard you.").waitFor();
  await page.getByRole("heading", { name }).locator("..").getByText("succeeded").waitFor();

  const timeline = panel(page, "Timeline");
  expect(await timeline.getByRole("listitem").allInnerTexts()).toEqual(
    ["queued", "preparing", "running", "succeeded"].map((word) =>
      expect.stringMatching(new RegExp(`^${word}`)),
    ),
  );
  const facts = panel(page, "Facts");
  await facts.getByText("$1.86, 91.4K tokens read, 7.1K written").waitFor();
  await facts.getByText("1 file, +1 −0").waitFor();
  await panel(page, "Summary").getByText("Heard you.").waitFor();

  // Each kind can be left out, and what is looked for is found and gone to.
  await page.getByRole("button", { name: "Thoughts" }).click();
  await words(page, "Two writers, it seems.").waitFor({ state: "detached" });
  await page.keyboard.press("Control+f");
  await page.keyboard.type("MOVE");
  await page.getByText(/^\d found$/).waitFor();
  await page.keyboard.press("Shift+Enter");
  await page.getByText(/^\d of \d$/).waitFor();
  expect(await stream(page).locator("mark[data-current]").innerText()).toMatch(/^move$/i);
  await stays();
  await expectAccessible(page);
  await page.emulateMedia({ colorScheme: "dark" });
  await expectAccessible(page);
  expectNoComplaints(opened, factory);
});

test("the keyboard alone answers what an agent asks, and cancels it", async () => {
  const { name } = await begin("ask rm -rf build", "ask git push", "wait-cancel");
  await untilAsked(factory, name);
  const { page } = await openMonitor(browser, factory, `/workers/${name}`);
  await page.getByRole("heading", { name: `${name} asks for permission` }).waitFor();
  await page.getByText("rm -rf build").first().waitFor();
  await expectAccessible(page);

  await page.keyboard.press("a");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await words(page, "answered: no").waitFor();
  await stream(page).getByText("Answered: No", { exact: true }).waitFor();
  await panel(page, `What ${name} asks`).getByText("git push").waitFor();
  await page.keyboard.press("a");
  await page.keyboard.press("1");
  await stream(page).getByText("Answered: Yes", { exact: true }).waitFor();
  expect(await pendingOf(factory, name)).toEqual([]);

  await page.getByRole("button", { name: "Cancel…" }).focus();
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog", { name: `Cancel ${name}?` });
  await dialog.waitFor();
  await expectAccessible(page);
  await page.getByRole("textbox", { name: "Reason" }).focus();
  await page.keyboard.type("not needed any more");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Retry" }).waitFor();
  await panel(page, "Timeline").getByText("not needed any more").waitFor();

  // Again, as a session of its own, which each page leads to from the other.
  await page.getByRole("button", { name: "Retry" }).focus();
  await page.keyboard.press("Enter");
  await page.waitForURL((url) => !url.pathname.endsWith(name));
  const again = new URL(page.url()).pathname.slice("/workers/".length);
  await panel(page, "Family").getByRole("link", { name, exact: true }).click();
  await panel(page, "Family").getByRole("link", { name: again, exact: true }).click();
});

test("a follow-up goes on in a session of its own, and a refusal says why", async () => {
  const { name } = await begin("say Done so far.");
  await untilEnded(factory, name);
  const { page } = await openMonitor(browser, factory, `/workers/${name}`);
  await page.getByRole("textbox", { name: `Follow up on ${name}` }).fill("do: history");
  await page.getByRole("button", { name: "Send" }).click();
  await page.waitForURL((url) => !url.pathname.endsWith(name));
  await stream(page)
    .getByText(/^history:.*Done so far/)
    .waitFor();

  // What can be done with a program that is only watched goes by that, whatever its name.
  const { name: silent } = await dispatch(factory, {
    parentSession: "ada",
    repository,
    agent: "plain",
    task: "nothing",
  });
  await untilEnded(factory, silent);
  await page.goto(`${factory.url}/workers/${silent}`);
  await page.getByRole("tab", { name: "Terminal" }).click();
  await page.getByRole("heading", { name: silent }).waitFor();
  expect(await page.getByRole("textbox", { name: /^(Message to|Follow up on)/ }).count()).toBe(0);

  // One that is answered while it runs, and has no terminal, may also be called shell.
  await page.goto(`${factory.url}/workers/${name}`);
  const box = page.getByRole("textbox", { name: `Follow up on ${name}` });
  await box.fill("x".repeat(100_001));
  expect(await page.getByRole("tab", { name: "Terminal" }).count()).toBe(0);
  await page.getByRole("button", { name: "Send" }).click();
  await page.getByRole("alert").getByText("BAD_INPUT").waitFor();
});

test("its family and its place in the queue are told, and its children go with it", async () => {
  const lead = await startMember(factory, { parentSession: "ada", repository, branch: "lead" });
  const child = await startMember(
    factory,
    { parentSession: lead.name, repository, branch: "lead-1" },
    lead.token,
  );
  const input = { parentSession: "ada", repository, branch: "lead", task: "true" };
  const { name: behind } = await dispatch(factory, input);
  const opened = await openMonitor(browser, factory, `/workers/${behind}`);
  const { page } = opened;
  await page.getByText(`worktree busy with ${lead.name}`).first().waitFor();

  await page.goto(`${factory.url}/workers/${lead.name}`);
  await panel(page, "Family").getByRole("link", { name: child.name }).click();
  await page.getByRole("heading", { name: child.name }).waitFor();
  await panel(page, "Family").getByRole("link", { name: lead.name }).click();
  await page.getByRole("heading", { name: lead.name }).waitFor();
  await page.getByRole("button", { name: "Cancel…" }).click();
  await page.getByRole("checkbox", { name: "Cancel the workers that it dispatched, too" }).click();
  await page.getByText("1 of them has not ended.").waitFor();
  await page.getByRole("button", { name: `Cancel ${lead.name}` }).click();
  const relative = panel(page, "Family").getByRole("listitem").filter({ hasText: child.name });
  await relative.getByText("cancelled").waitFor();
  await untilEnded(factory, behind);
  expectNoComplaints(opened, factory);
});

test("a long stream begins near its end, and what came earlier is loaded where it is asked for", async () => {
  // Two events each.
  const calls = Array.from({ length: 400 }, (_, at) => `tool read file-${String(at)}.md`);
  const { name } = await begin("tool read first.md", ...calls);
  await untilEnded(factory, name);
  const { page } = await openMonitor(browser, factory, `/workers/${name}`);
  await stream(page).getByText("file-399.md").waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("first.md");
  await page.getByText("Not found").waitFor();
  await page.getByRole("button", { name: "Load all that came earlier" }).click();
  // In the task, and as the tool's title.
  await page.getByText("2 found").waitFor();
  await page.getByLabel("Find in the stream").fill("file-");
  await page.getByText("800 found").waitFor();
  await stream(page).focus();
  await page.keyboard.press("Home");
  await page.getByText("It begins here.").waitFor();

  // What the server keeps no longer is said.
  await queryDatabase(factory, `UPDATE "Event" SET at = at - interval '30 days'`);
  await queryDatabase(
    factory,
    `UPDATE "WorkerSession" SET "finishedAt" = "finishedAt" - interval '30 days' WHERE "finishedAt" IS NOT NULL`,
  );
  await runMaintenance(factory, "RETENTION");
  await page.reload();
  await page.getByText(/The events before \d+ are older than the server keeps them/).waitFor();
});

test("after a restart of the server the stream goes on without a gap or a repeat", async () => {
  const gate = await createGate();
  const { name } = await dispatch(factory, {
    parentSession: "ada",
    repository,
    task: `echo one; echo two; ${gate.wait}; echo three; ${gate.wait}`,
  });
  await untilPrinted(factory, name, "two");
  const { page } = await openMonitor(browser, factory, `/workers/${name}`);
  await stream(page).getByText("two").waitFor();
  const stays = await expectNoReload(page);
  const { port } = new URL(factory.url);
  await factory.terminate();
  await page.getByText("Connection lost").waitFor();
  await gate.open();
  factory = await factory.restart({ PORT: port });
  await stream(page).getByText("three").waitFor();
  await gate.open();
  await panel(page, "Timeline").getByText("succeeded").waitFor();
  expect(await stream(page).locator(".output-lines .line").allInnerTexts()).toEqual([
    "one",
    "two",
    "three",
  ]);
  await stays();
});

test("it fits a phone, and says so where there is no such worker", async () => {
  const { name } = await begin(`ask ${"very-long-path/".repeat(30)}`, "say Done.");
  await untilAsked(factory, name);
  const opened = await openMonitor(browser, factory, `/workers/${name}`, {
    viewport: { width: 390, height: 844 },
  });
  const { page } = opened;
  await page.getByRole("heading", { name: `${name} asks for permission` }).waitFor();
  await panel(page, "Timeline").getByText("waiting").waitFor();
  expect(await widthBeyond(page)).toBe(0);
  await expectAccessible(page);
  await page.getByRole("button", { name: "Yes", exact: true }).click();
  await panel(page, "Timeline").getByText("succeeded").waitFor();

  await page.goto(`${factory.url}/workers/worker-999999`);
  await page.getByText("There is no worker-999999").waitFor();
  await expectAccessible(page);
  expectNoComplaints(opened, factory);
});

const testInSandbox = availability.available ? test : test.skip;

testInSandbox("what its sandbox refused is shown, and can be allowed at once", async () => {
  const server = await startFactory({ git, env: { FACTORY_SANDBOX: "required" } });
  try {
    const { name, id } = await dispatch(server, {
      parentSession: "ada",
      repository,
      task: "until curl -s --max-time 20 http://unlisted.example/ | grep -v Blocked; do sleep 0.2; done",
    });
    const opened = await openMonitor(browser, server, `/workers/${name}`);
    const { page } = opened;
    const refused = panel(page, "Refused hosts");
    await refused.getByText("unlisted.example:80").waitFor();
    await panel(page, "Facts").getByText("files, processes and network").waitFor();
    await expectAccessible(page);
    await refused.getByRole("button", { name: "Allow now: unlisted.example:80" }).click();
    await refused.getByText("allowed").waitFor();
    // The name leads nowhere, which is the proxy's answer from then on.
    expect((await untilEnded(server, id)).stdout).toContain("could not reach unlisted.example:80");
    expectNoComplaints(opened, server);
  } finally {
    await server.dispose();
  }
});
