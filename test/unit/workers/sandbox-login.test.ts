import { lstat, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { isRenewal, lendLogins, takeBackLogins } from "../../../src/workers/sandbox/login.ts";

let base = "";

beforeEach(async () => {
  base = await mkdtemp(path.join(os.tmpdir(), "factory-login-"));
  await mkdir(path.join(base, "server/.agent"), { recursive: true });
  await mkdir(path.join(base, "worker"));
  await writeFile(source(), login("one"));
});

afterEach(() => rm(base, { recursive: true }));

const source = () => path.join(base, "server/.agent/auth.json");
const copy = () => path.join(base, "worker/.agent/auth.json");
const login = (accessToken: string, account = "ada") =>
  JSON.stringify({ account, tokens: { accessToken, expiresAt: accessToken.length } });

const places = (logins = [{ file: ".agent/auth.json" }]) => ({
  logins,
  settings: [{ file: ".agent/settings.json" }],
  environment: { HOME: path.join(base, "server") },
  home: path.join(base, "worker"),
  record: path.join(base, "record"),
});

test("a login is lent, a renewed one comes back, and the copy goes", async () => {
  await lendLogins(places());
  expect(await readFile(copy(), "utf8")).toBe(login("one"));
  await writeFile(copy(), login("renewed"));
  expect(await takeBackLogins(places().record)).toEqual([]);
  expect(await readFile(source(), "utf8")).toBe(login("renewed"));
  await expect(lstat(copy())).rejects.toThrow("ENOENT");
  // Once.
  expect(await takeBackLogins(places().record)).toEqual([]);
});

test("settings come in each time as the server has them, and what a worker makes of them stays there", async () => {
  const [own, theirs] = ["server", "worker"].map((who) =>
    path.join(base, who, ".agent/settings.json"),
  ) as [string, string];
  await lendLogins(places());
  await expect(lstat(theirs)).rejects.toThrow("ENOENT");
  await writeFile(own, "provider = ours");
  await writeFile(theirs, "provider = mine");
  await lendLogins(places());
  expect(await readFile(theirs, "utf8")).toBe("provider = ours");
  await writeFile(theirs, "provider = mine");
  expect(await takeBackLogins(places().record)).toEqual([]);
  expect(await readFile(own, "utf8")).toBe("provider = ours");
});

test("another account's login, and anything else, is left out and named", async () => {
  for (const other of [login("theirs", "mallory"), "[]", "nonsense", '{"account":"ada"}']) {
    await lendLogins(places());
    await writeFile(copy(), other);
    expect(await takeBackLogins(places().record)).toEqual([
      expect.stringContaining("is another login than"),
    ]);
    expect(await readFile(source(), "utf8")).toBe(login("one"));
  }
});

test("one that was renewed elsewhere meanwhile stays", async () => {
  await lendLogins(places());
  await writeFile(copy(), login("here"));
  await writeFile(source(), login("elsewhere"));
  expect(await takeBackLogins(places().record)).toEqual([]);
  expect(await readFile(source(), "utf8")).toBe(login("elsewhere"));
});

test("what a worker put in the place of a folder is not followed, at the start nor at the end", async () => {
  await symlink(path.join(base, "server/.agent"), path.join(base, "worker/.agent"));
  await lendLogins(places());
  expect((await lstat(path.join(base, "worker/.agent"))).isDirectory()).toBe(true);
  await rm(path.join(base, "worker/.agent"), { recursive: true });
  await symlink(path.join(base, "server/.agent"), path.join(base, "worker/.agent"));
  expect(await takeBackLogins(places().record)).toEqual([]);
  expect(await readFile(source(), "utf8")).toBe(login("one"));
});

test("where there is no login none is lent, and one elsewhere is found by its variable", async () => {
  await rm(source());
  await lendLogins(places());
  await expect(lstat(copy())).rejects.toThrow("ENOENT");
  await mkdir(path.join(base, "elsewhere"));
  await writeFile(path.join(base, "elsewhere/auth.json"), login("moved"));
  await lendLogins({
    ...places(),
    logins: [{ file: ".agent/auth.json", movedBy: { variable: "AGENT_HOME", folder: ".agent" } }],
    environment: { HOME: path.join(base, "server"), AGENT_HOME: path.join(base, "elsewhere") },
  });
  expect(await readFile(copy(), "utf8")).toBe(login("moved"));
});

test.each([
  [
    { a: { access_token: "1", account_id: "x" } },
    { a: { access_token: "2", account_id: "x" } },
    true,
  ],
  [
    { a: { access_token: "1", account_id: "x" } },
    { a: { access_token: "2", account_id: "y" } },
    false,
  ],
  [{ a: { access_token: "1" } }, { a: { access_token: { nested: 1 } } }, false],
  [{ a: 1 }, { a: 1, b: 2 }, false],
  [{ refresh: "1", expires: 1 }, { refresh: "2", expires: 2 }, true],
  [[1, 2], [1, 2], true],
])("%j renewed as %j: %j", (before, after, is) => {
  expect(isRenewal(JSON.stringify(before), JSON.stringify(after))).toBe(is);
});
