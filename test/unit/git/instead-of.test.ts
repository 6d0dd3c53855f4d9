import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { addressesOf, composeInsteadOf } from "../../../src/git/instead-of.ts";

const place = "http://127.0.0.1:1/git/acme/app";
let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "factory-instead-of-"));
});

afterAll(() => rm(folder, { recursive: true }));

/** Where git goes for an address, with the configuration for that remote. */
async function ledTo(remote: string, address: string): Promise<string> {
  const file = join(folder, "config");
  await writeFile(file, composeInsteadOf(addressesOf(remote), place));
  return execFileSync("git", ["ls-remote", "--get-url", address], {
    encoding: "utf8",
    env: { PATH: process.env["PATH"] ?? "", GIT_CONFIG_GLOBAL: file, GIT_CONFIG_NOSYSTEM: "1" },
  }).trim();
}

test.each([
  "https://git.example/acme/app.git",
  "git@git.example:acme/app.git",
  "ssh://git@git.example/acme/app",
])("from the clone of %s, each of its addresses is led to the place", async (remote) => {
  for (const address of [
    remote,
    "https://git.example/acme/app",
    "https://git.example/acme/app.git",
    "https://git.example/acme/app/",
    "git@git.example:acme/app.git",
    "ssh://git@git.example/acme/app.git",
  ]) {
    expect(await ledTo(remote, address)).toMatch(new RegExp(`^${place}(\\.git|/)?$`));
  }
});

test.each([
  ["https://git.example:8443/acme/app.git", "https://git.example/acme/app.git"],
  ["ssh://git@git.example:2222/acme/app.git", "https://git.example/acme/app.git"],
  ["file:///srv/git/app.git", "file:///srv/git/other.git"],
  ["https://git.example/acme/app.git", "https://git.example/acme/lib.git"],
  ["https://git.example/acme/app.git", "https://other.example/acme/app.git"],
])("from the clone of %s, %s stays what it is", async (remote, other) => {
  expect(await ledTo(remote, remote)).toBe(`${place}.git`);
  expect(await ledTo(remote, other)).toBe(other);
});

test.each([
  ["https://git.example/acme/app.git", "https://git.example/acme/app"],
  ["http://git.example:8080/acme/app/", "http://git.example:8080/acme/app"],
  ["git@git.example:acme/app.git", "https://git.example/acme/app"],
  ["ssh://git@git.example:2222/acme/app", undefined],
  ["file:///srv/git/app.git", undefined],
])("%s is reached over HTTP at %s", (remote, http) => {
  expect(addressesOf(remote).http).toBe(http);
});
