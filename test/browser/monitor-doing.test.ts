// What a person does in the monitor: by mouse and by keyboard, against a real server with real workers.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import type { Locator, Page } from "playwright-core";
import { startBrowser, type TestBrowser } from "../support/browser.ts";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import {
  expectAccessible,
  expectNoComplaints,
  openMonitor,
  panel,
  rowOf,
} from "../support/monitor.ts";
import { cloned, createWorktree, readWorktree } from "../support/repositories.ts";
import { readWorker, untilEnded } from "../support/workers.ts";
import { commitAll } from "../support/worktree-git.ts";

const repository = { owner: "acme", name: "shop" };

let git: GitServer;
let factory: FactoryServer;
let browser: TestBrowser;

beforeAll(async () => {
  git = await startGitServer();
  [factory, browser] = await Promise.all([startFactory({ git }), startBrowser()]);
  await cloned(factory, git, repository);
});

afterEach(() => browser.closePages());

afterAll(async () => {
  await browser.close();
  await factory.dispose();
  await git.stop();
});

/** The words are those of the dialog's title. */
async function openDialog(page: Page, key: string, title: string): Promise<Locator> {
  await page.getByText("Live", { exact: true }).waitFor();
  await page.keyboard.press(key);
  const dialog = page.getByRole("dialog", { name: title });
  await dialog.waitFor();
  await expectAccessible(page);
  return dialog;
}

function untilFocused(page: Page, selector: string): Promise<unknown> {
  return page.waitForFunction((found) => document.activeElement?.matches(found) === true, selector);
}

async function openReadyMonitor(options = {}) {
  const opened = await openMonitor(browser, factory, "/", options);
  await panel(opened.page, "Repositories").getByText("acme/shop").waitFor();
  return opened;
}

test("a repository is cloned from its name or its address; what fails says why", async () => {
  await git.createRepository("acme", "tools");
  await git.createRepository("acme", "docs");
  const opened = await openReadyMonitor();
  const { page } = opened;
  const repositories = panel(page, "Repositories");
  for (const [text, name] of [
    ["acme/tools", "acme/tools"],
    [git.url("acme", "docs"), "acme/docs"],
  ] as const) {
    const dialog = await openDialog(page, "c", "Clone a repository");
    // What is typed goes where it is meant to.
    await page.keyboard.type(text);
    await page.keyboard.press("Enter");
    await dialog.waitFor({ state: "hidden" });
    const item = repositories.getByRole("listitem").filter({ hasText: name });
    await item.getByText("synced", { exact: true }).waitFor();
  }

  const again = await openDialog(page, "c", "Clone a repository");
  await again.getByRole("textbox").fill(git.url("acme", "docs").replace("/acme/", "/mirror/acme/"));
  await again.getByRole("button", { name: "Clone", exact: true }).click();
  await again.getByRole("alert").getByText("REPOSITORY_CONFLICT").waitFor();
  await page.keyboard.press("Escape");

  // A remote that isn't there is told where the repository stands.
  const missing = await openDialog(page, "c", "Clone a repository");
  await missing.getByRole("textbox").fill("acme/nothing");
  await page.keyboard.press("Enter");
  const failed = repositories.getByRole("listitem").filter({ hasText: "acme/nothing" });
  await failed.getByText("failed", { exact: true }).waitFor();
  await failed.getByText("the remote has no such repository").waitFor();
  await expectAccessible(page);
  await git.createRepository("acme", "nothing");
  await page.getByRole("button", { name: "Clone acme/nothing again" }).click();
  await failed.getByText("synced", { exact: true }).waitFor();
  await createWorktree(factory, { owner: "acme", name: "nothing", branch: "feat/lost" });
  await panel(page, "Worktrees").getByText("feat/lost").waitFor();
  await page.getByRole("button", { name: "Delete acme/nothing" }).click();
  const deletion = page.getByRole("dialog", { name: "Delete acme/nothing here?" });
  await deletion.getByText("It has 1 worktree.").waitFor();
  await deletion.getByText("feat/lost").waitFor();
  await expectAccessible(page);
  const remove = deletion.getByRole("button", { name: "Delete", exact: true });
  expect(await remove.isDisabled()).toBe(true);
  await deletion.getByRole("checkbox").click();
  await remove.click();
  await failed.waitFor({ state: "detached" });
  await panel(page, "Worktrees").getByText("feat/lost").waitFor({ state: "detached" });
  expectNoComplaints(opened, factory);
});

test("a sync says what came of it, and what went wrong with its code", async () => {
  const opened = await openReadyMonitor();
  const { page } = opened;
  await git.pushCommit("acme", "shop", "main", { "news.md": "news\n" });
  await page.getByRole("button", { name: "Sync acme/shop" }).click();
  await page.getByText("acme/shop is synced").waitFor();
  await page.getByText("Its default branch has moved.").waitFor();

  git.requireAuth("acme", "shop", { username: "ada", password: "secret" });
  await page.getByRole("button", { name: "Sync acme/shop" }).click();
  await page.getByText("acme/shop was not synced").first().waitFor();
  await page
    .getByText(/REMOTE_AUTH_FAILED/)
    .first()
    .waitFor();
  await panel(page, "Repositories").getByText("failed", { exact: true }).first().waitFor();
  expectNoComplaints(opened, factory);
});

test("a dispatch is watched at once, and its choices are there again the next time", async () => {
  const opened = await openReadyMonitor();
  const { page } = opened;
  const dialog = await openDialog(page, "d", "Dispatch a worker");
  await dialog.getByRole("combobox", { name: "Agent" }).click();
  await page.getByRole("option", { name: "shell" }).click();
  await dialog.getByRole("combobox", { name: "Repository" }).fill("acme/to");
  await page.getByRole("option", { name: "acme/tools" }).click();
  await dialog.getByRole("combobox", { name: "Parent session" }).fill("release");
  await dialog.getByRole("textbox", { name: "Command" }).fill("echo done");
  await dialog.getByRole("button", { name: "More options" }).click();
  await dialog.getByRole("textbox", { name: "Priority" }).fill("7");
  await dialog.getByRole("textbox", { name: "Time limit (minutes)" }).fill("1.5");
  await dialog.getByRole("combobox", { name: "Worktree at the end" }).click();
  await page.getByRole("option", { name: "Delete it always" }).click();
  await dialog.getByRole("checkbox", { name: "Let the agent push its branch" }).click();
  await expectAccessible(page);
  await dialog.getByRole("button", { name: "Dispatch", exact: true }).click();

  await page.getByText("worker-1 is dispatched").waitFor();
  await rowOf(page, "worker-1").getByText("succeeded").waitFor();
  const { workerSession } = await factory.query<{ workerSession: object }>(
    `{ workerSession(id: "worker-1") {
      agent task priority timeoutSeconds cleanup agentPush repositoryName parentSession { name }
    } }`,
  );
  expect(workerSession).toEqual({
    agentPush: true,
    agent: "shell",
    task: "echo done",
    priority: 7,
    timeoutSeconds: 90,
    cleanup: "ALWAYS",
    repositoryName: "acme/tools",
    parentSession: { name: "release" },
  });

  await page.reload();
  const next = await openDialog(page, "d", "Dispatch a worker");
  expect(await next.getByRole("textbox", { name: "Command" }).inputValue()).toBe("");
  expect(await next.getByRole("combobox", { name: "Agent" }).innerText()).toBe("shell");
  expect(await next.getByRole("combobox", { name: "Repository" }).inputValue()).toBe("acme/tools");
  expect(await next.getByRole("combobox", { name: "Parent session" }).inputValue()).toBe("release");

  // The server's refusal stands in the form, and nothing of it is lost.
  await next.getByRole("textbox", { name: "Command" }).fill("true");
  await next.getByRole("textbox", { name: "Branch" }).fill("not..a branch");
  await next.getByRole("textbox", { name: "Command" }).press("Control+Enter");
  await next.getByRole("alert").getByText("BAD_INPUT").waitFor();
  expect(await next.getByRole("textbox", { name: "Branch" }).inputValue()).toBe("not..a branch");
  await next.getByRole("textbox", { name: "Branch" }).fill("");
  await next.getByRole("button", { name: "More options" }).click();
  await next.getByRole("textbox", { name: "Memory cap (MiB)" }).fill("1");
  await next.getByRole("textbox", { name: "Command" }).press("Control+Enter");
  await next
    .getByRole("alert")
    .getByText(/maxMemoryMib/)
    .waitFor();
  await expectAccessible(page);
  expectNoComplaints(opened, factory);
});

test("a worktree is created, and work that is nowhere else is named before it can be lost", async () => {
  const opened = await openReadyMonitor();
  const { page } = opened;
  const worktrees = panel(page, "Worktrees");
  const creation = await openDialog(page, "w", "Create a worktree");
  await creation.getByRole("combobox", { name: "Repository" }).fill("acme/tools");
  await creation.getByRole("textbox", { name: "Branch" }).fill("feat/mine");
  await creation.getByRole("button", { name: "Create" }).click();
  await page.getByText("feat/mine is checked out").waitFor();
  const name = { owner: "acme", name: "tools", branch: "feat/mine" };
  const { path = "" } = (await readWorktree(factory, name)) ?? {};
  await writeFile(join(path, "mine.txt"), "mine\n");
  await commitAll(path, "Mine");
  await writeFile(join(path, "more.txt"), "more\n");

  const remove = worktrees.getByRole("button", { name: "Delete the worktree of feat/mine" });
  await remove.click();
  const deletion = page.getByRole("dialog", { name: "Delete the worktree of feat/mine?" });
  await deletion.getByText("1 changed or untracked file and 1 commit since its base").waitFor();
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Keep it");
  await deletion.getByRole("button", { name: "Delete", exact: true }).click();
  const warning = deletion.getByRole("alert");
  await warning.getByText("This work is nowhere else, and would be lost for good").waitFor();
  await warning.getByText("1 changed or untracked file", { exact: true }).waitFor();
  await warning.getByText("1 commit that is on no branch of the remote").waitFor();
  await warning.getByText("more.txt", { exact: true }).waitFor();
  await warning.getByText(/^[0-9a-f]{7,} Mine$/).waitFor();
  await expectAccessible(page);
  await deletion.getByRole("button", { name: "Keep it" }).click();
  await deletion.waitFor({ state: "hidden" });
  expect(await readWorktree(factory, name)).not.toBeNull();

  await remove.click();
  await deletion.getByRole("button", { name: "Delete", exact: true }).click();
  const lose = deletion.getByRole("button", { name: "Delete it and lose that work" });
  await lose.waitFor();
  // With the branch something else may be lost: it is asked for anew.
  await deletion.getByRole("checkbox").click();
  await deletion.getByRole("button", { name: "Delete", exact: true }).click();
  await lose.click();
  await page.getByText("The worktree of feat/mine is deleted").waitFor();
  await remove.waitFor({ state: "detached" });
  expect(await readWorktree(factory, name)).toBeNull();

  // One in which nothing would be lost goes at once.
  await createWorktree(factory, { owner: "acme", name: "tools", branch: "feat/empty" });
  await worktrees.getByRole("button", { name: "Delete the worktree of feat/empty" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete", exact: true }).click();
  await page.getByText("The worktree of feat/empty is deleted").waitFor();
  expectNoComplaints(opened, factory);
});

test("everything can be found, opened and left again by keyboard", async () => {
  await untilEnded(factory, "worker-1");
  const opened = await openReadyMonitor();
  const { page } = opened;
  const focused = () => page.evaluate(() => document.activeElement?.textContent ?? "");

  await rowOf(page, "worker-1").waitFor();
  await page.keyboard.press("j");
  expect(await focused()).toBe("worker-1");

  // The palette finds, and gives the focus back.
  await page.keyboard.press("Control+k");
  const palette = page.getByRole("dialog", { name: "Command palette" });
  await palette.getByRole("option").first().waitFor();
  await expectAccessible(page);
  await page.keyboard.press("Escape");
  await palette.waitFor({ state: "hidden" });
  expect(await focused()).toBe("worker-1");
  await page.keyboard.press("Control+k");
  await untilFocused(page, "input");
  await page.keyboard.type("echo done");
  await palette.getByRole("option", { name: /worker-1/ }).waitFor();
  await page.keyboard.press("Enter");
  await page.waitForURL(`${factory.url}/workers/worker-1`);
  // What has the focus is of this page.
  await untilFocused(page, "#content");
  await page.goBack();
  await rowOf(page, "worker-1").waitFor();
  await page.keyboard.press("Control+k");
  await untilFocused(page, "input");
  await page.keyboard.type("123");
  await palette.getByRole("option", { name: "Go to worker-123" }).waitFor();
  await page.keyboard.press("Enter");
  await page.waitForURL(`${factory.url}/workers/worker-123`);
  // A step back behind an open dialog leaves the focus in it.
  await page.keyboard.press("Control+k");
  await untilFocused(page, "input");
  await page.goBack();
  await page.locator("#content").getByText("acme/shop").first().waitFor();
  expect(await page.evaluate(() => document.activeElement?.matches("input"))).toBe(true);
  await page.keyboard.press("Escape");
  await palette.waitFor({ state: "hidden" });

  const keys = await openDialog(page, "?", "Keys");
  await keys.getByText("dispatch a worker").waitFor();
  // Off for those whom single letters hinder; what has a modifier goes on.
  await keys.getByRole("checkbox", { name: "Keys of a single letter" }).click();
  await page.keyboard.press("Escape");
  await page.keyboard.press("d");
  await page.keyboard.press("Control+k");
  await palette.waitFor();
  expect(await page.getByRole("dialog").count()).toBe(1);
  await page.keyboard.press("Escape");

  // A person without a mouse comes from the address bar to the content.
  await page.reload();
  await page.getByText("Live", { exact: true }).waitFor();
  await page.keyboard.press("Tab");
  expect(await focused()).toBe("Skip to the content");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  expect(await page.evaluate(() => document.activeElement?.closest("main") !== null)).toBe(true);
  expectNoComplaints(opened, factory);
});

test("a server that is away is said in the form, which keeps what was typed", async () => {
  const { page } = await openReadyMonitor();
  const dialog = await openDialog(page, "w", "Create a worktree");
  await dialog.getByRole("combobox", { name: "Repository" }).fill("acme/tools");
  await dialog.getByRole("textbox", { name: "Branch" }).fill("feat/later");
  const before = (await readWorker(factory, "worker-1")).status;
  await page.route("**/graphql", (route) => route.abort());
  await dialog.getByRole("button", { name: "Create" }).click();
  await dialog.getByText("The server can't be reached").waitFor();
  expect(await dialog.getByRole("textbox", { name: "Branch" }).inputValue()).toBe("feat/later");
  await page.unroute("**/graphql");
  await dialog.getByRole("button", { name: "Create" }).click();
  await page.getByText("feat/later is checked out").waitFor();
  expect((await readWorker(factory, "worker-1")).status).toBe(before);
});
