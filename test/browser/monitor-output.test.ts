// What workers print and change, however much and whatever it is: against a real server with real workers.
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import type { Page } from "playwright-core";
import { startBrowser, type TestBrowser } from "../support/browser.ts";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import {
  expectAccessible,
  expectNoComplaints,
  openMonitor,
  widthBeyond,
} from "../support/monitor.ts";
import { createGate, dispatch, untilEnded, untilPrinted } from "../support/workers.ts";

const repository = { owner: "acme", name: "app" };

let git: GitServer;
let factory: FactoryServer;
let browser: TestBrowser;

beforeAll(async () => {
  git = await startGitServer();
  await git.createRepository("acme", "app", {
    files: {
      "README.md": "one\ntwo\nthree\n",
      "old/name.txt": "a\n".repeat(40),
      "picture.png": "\u0000\u0001\u0002",
    },
  });
  [factory, browser] = await Promise.all([startFactory({ git }), startBrowser()]);
});

afterEach(() => browser.closePages());

afterAll(async () => {
  await browser.close();
  await factory.dispose();
  await git.stop();
});

const run = (task: string) => dispatch(factory, { parentSession: "ada", repository, task });

const stream = (page: Page) => page.getByRole("log", { name: "Stream of" });

/** So many lines with a colour in each. */
const printLines = (count: number) =>
  `awk 'BEGIN { for (n = 1; n <= ${String(count)}; n++) printf "line %d \\033[32mgreen\\033[0m needle-%d and more of it\\n", n, n }'`;

test("100,000 lines are followed and searched, and what is in sight is in the page", async () => {
  const gate = await createGate();
  const { name } = await run(
    `echo begin; ${gate.wait}; ${printLines(100_000)}; echo "the end"; ${gate.wait}; echo "and more"`,
  );
  await untilPrinted(factory, name, "begin");
  const opened = await openMonitor(browser, factory, `/workers/${name}`);
  const { page } = opened;
  await stream(page).getByText("begin", { exact: true }).waitFor();
  const find = page.getByLabel("Find in the stream");

  await gate.open();
  await stream(page).getByText("the end", { exact: true }).waitFor();
  await stream(page).getByText("line 100000").waitFor();
  // Of all of it what is in sight is in the page.
  expect(await page.locator("*").count()).toBeLessThan(2_000);

  await page.keyboard.press("/");
  await page.keyboard.type("NEEDLE-77777");
  await page.getByText("1 found").waitFor();
  await page.keyboard.press("Enter");
  await page.getByText("1 of 1").waitFor();
  await stream(page).locator("mark[data-current]").waitFor();
  const line = stream(page).locator(".line", { has: page.locator("mark") });
  expect(await line.innerText()).toBe("line 77777 green needle-77777 and more of it");
  await find.fill("needle");
  await page.getByText("77,777 of 100,000").waitFor();
  await page.getByRole("button", { name: "Next match" }).click();
  await page.getByText("77,778 of 100,000").waitFor();

  // Whoever has gone elsewhere stays there, and is told what came.
  await gate.open();
  const jump = page.getByRole("button", { name: /Jump to the newest *\d+ new line/ });
  await jump.waitFor();
  await stream(page).locator("mark[data-current]").waitFor();
  await jump.click();
  await stream(page).getByText("and more", { exact: true }).waitFor();
  await jump.waitFor({ state: "detached" });
  expectNoComplaints(opened, factory);
});

test("escapes, HTML and a line of a megabyte are shown, and do nothing", async () => {
  const { name } = await run(
    [
      String.raw`printf '\033]0;owned\007\033]8;;http://evil.test\033\\click\033]8;;\033\\ \033[31mred\033[0m \033[48;5;208mon orange\033[0m \033[2J\033[10Aend\n'`,
      `echo '<script>document.title = "owned"</script><img src=x onerror="document.title=1">'`,
      String.raw`printf '10%%\r50%%\r100%%\n'`,
      "head -c 1000000 /dev/zero | tr '\\0' x; echo",
      "echo after",
    ].join("\n"),
  );
  await untilEnded(factory, name);
  const opened = await openMonitor(browser, factory, `/workers/${name}`, {
    viewport: { width: 390, height: 844 },
  });
  const { page } = opened;
  await stream(page).getByText("after", { exact: true }).waitFor();
  expect(await widthBeyond(page)).toBe(0);
  const long = stream(page)
    .locator(".line", { hasText: /^x{1000}/ })
    .last();
  expect(await long.evaluate((line) => line.scrollWidth - line.clientWidth)).toBe(0);
  await stream(page).focus();
  await page.keyboard.press("Home");
  const first = stream(page).getByText("click red on orange end", { exact: true });
  await first.waitFor();
  const red = await first
    .getByText("red", { exact: true })
    .evaluate((span) => getComputedStyle(span).color);
  expect(red).not.toBe(await first.evaluate((line) => getComputedStyle(line).color));
  await stream(page).getByText('<script>document.title = "owned"</script>').waitFor();
  await stream(page).getByText("100%", { exact: true }).waitFor();
  expect(await stream(page).getByText("50%").count()).toBe(0);
  expect(await stream(page).locator("a, img, script").count()).toBe(0);
  expect(await page.title()).toContain(name);
  await expectAccessible(page);
  await page.emulateMedia({ colorScheme: "dark" });
  await expectAccessible(page);

  await page.getByRole("tab", { name: "Terminal" }).click();
  await page.locator(".xterm").getByText("after").first().waitFor();
  expect(await page.title()).toContain(name);
  expect(await page.locator(".xterm a").count()).toBe(0);
  expect(await widthBeyond(page)).toBe(0);
  await expectAccessible(page);
  expectNoComplaints(opened, factory);
});

test("what a worker committed and changed is shown file by file", async () => {
  const { name } = await run(
    [
      "git mv old/name.txt 'old/new name.txt'",
      "printf 'one\\nTWO <b>\\nthree\\n' >README.md",
      "git commit -qam 'Move and change'",
      "printf '\\0\\9' >picture.png",
      "echo untracked >later.txt",
    ].join("\n"),
  );
  await untilEnded(factory, name);
  const opened = await openMonitor(browser, factory, `/workers/${name}`);
  const { page } = opened;
  const changed = page.getByRole("cell", { name: "TWO <b>" });
  await page.getByRole("tab", { name: "Changes" }).click();
  await page.getByRole("heading", { name: "1 commit" }).waitFor();
  await page.getByText("Move and change").waitFor();
  await page.getByRole("heading", { name: "4 files changed +2 −1" }).waitFor();
  const names = await page.getByRole("heading", { level: 3 }).allInnerTexts();
  expect(names.map((text) => text.replaceAll("\n", " "))).toEqual([
    "README.md +1 −1",
    "later.txt new +1 −0",
    "old/name.txt → old/new name.txt renamed +0 −0",
    "picture.png binary",
  ]);
  await changed.waitFor();
  await page.getByText("A binary file, which has no lines to show.").waitFor();
  await page.getByText("Its content is the same.").waitFor();
  const file = page.getByRole("button", { name: "README.md" });
  await file.press("Enter");
  expect(await changed.count()).toBe(0);
  await file.press("Enter");
  await changed.waitFor();
  await expectAccessible(page);
  await page.emulateMedia({ colorScheme: "dark" });
  await expectAccessible(page);
  // The address leads to it.
  await page.reload();
  await changed.waitFor();
  expectNoComplaints(opened, factory);
});

test("a diff of 2,000 files and 50,000 lines stays usable, and says what is left out", async () => {
  const { name } = await run(
    [
      `for n in $(seq 1 2000); do seq 1 5 >file-$n.txt; done`,
      `seq -f 'some text on line %.0f' 1 40000 >a-large-one.txt`,
    ].join("\n"),
  );
  await untilEnded(factory, name);
  const opened = await openMonitor(browser, factory, `/workers/${name}?view=changes`, {
    viewport: { width: 390, height: 844 },
  });
  const { page } = opened;
  await page.getByRole("heading", { name: "2,001 files changed +50,000 −0" }).waitFor();
  await page.getByRole("note").getByText("of 2,001 are here").waitFor();
  await page.getByRole("button", { name: "a-large-one.txt" }).click();
  await page.getByText("some text on line 500", { exact: true }).waitFor();
  await page.getByRole("button", { name: /^Show 500 more of [\d,]+ lines/ }).click();
  await page.getByText("some text on line 1000", { exact: true }).waitFor();
  await page.getByRole("textbox", { name: "Filter the files" }).fill("LARGE");
  await page.getByRole("button", { name: "file-1.txt" }).waitFor({ state: "detached" });
  expect(await widthBeyond(page)).toBe(0);
  expectNoComplaints(opened, factory);
});
