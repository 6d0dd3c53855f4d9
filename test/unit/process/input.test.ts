import { execFileSync } from "node:child_process";
import { readFile, rm, symlink, writeFile } from "node:fs/promises";
import { expect, test } from "@jest/globals";
import { appendInput, endInput } from "../../../src/process/input.ts";
import { sessionPaths } from "../../../src/process/session-folder.ts";
import { exitOf, stdoutOf, stdoutWith, useSessions } from "./sessions.ts";

const sessions = useSessions();
const echo = 'while read -r line; do echo "got $line"; done; exit 3';

test("what is said reaches the agent in order, and the end of its input when nothing more is said", async () => {
  const folder = await sessions.createFolder({ hasInput: true });
  const session = await sessions.runScript(echo, { folder });
  await appendInput(folder, { offset: 0, bytes: Buffer.from("one\n") });
  await stdoutWith(session, "got one\n");
  await appendInput(folder, { offset: 4, bytes: Buffer.from("two\n") });
  await stdoutWith(session, "got two\n");
  endInput(session.identity);
  expect(await exitOf(session)).toMatchObject({ exitCode: 3 });
  expect(await stdoutOf(session)).toBe("got one\ngot two\n");
});

test.each([
  ["not at all", ""],
  ["by half", "sec"],
  ["wholly", "second\n"],
])("what a server that was killed had said %s is said once", async (_how, before) => {
  const folder = await sessions.createFolder({ hasInput: true });
  await writeFile(sessionPaths(folder).input, `first\n${before}`);
  await appendInput(folder, { offset: 6, bytes: Buffer.from("second\n") });
  expect(await readFile(sessionPaths(folder).input, "utf8")).toBe("first\nsecond\n");
});

test.each([
  ["shorter", "fir"],
  ["longer", "first\nsecond\nthird\n"],
])("an input that became %s than what was said is not written to", async (_how, found) => {
  const folder = await sessions.createFolder({ hasInput: true });
  await writeFile(sessionPaths(folder).input, found);
  await expect(
    appendInput(folder, { offset: 6, bytes: Buffer.from("second\n") }),
  ).rejects.toMatchObject({ code: "HOST_FAILURE" });
  expect(await readFile(sessionPaths(folder).input, "utf8")).toBe(found);
});

test.each(["mkfifo input", "ln -s /dev/null input", "mkdir input"])(
  "an input that was replaced is not written to, and not waited for: %s",
  async (replace) => {
    const folder = await sessions.createFolder({ hasInput: true });
    execFileSync("bash", ["-c", `rm input; ${replace}`], { cwd: folder });
    await expect(
      appendInput(folder, { offset: 0, bytes: Buffer.from("one\n") }),
    ).rejects.toMatchObject({ code: "HOST_FAILURE" });
  },
);

test("nothing is said to another session, whose folder took the place of its own", async () => {
  const victim = await sessions.createFolder({ hasInput: true });
  const folder = await sessions.createFolder({ hasInput: true });
  await rm(folder, { recursive: true });
  await symlink(victim, folder);
  await expect(
    appendInput(folder, { offset: 0, bytes: Buffer.from("one\n") }),
  ).rejects.toMatchObject({ code: "HOST_FAILURE" });
  expect(await readFile(sessionPaths(victim).input, "utf8")).toBe("");
});

test("an input that is gone is the host's failure", async () => {
  const folder = await sessions.createFolder({ hasInput: true });
  await rm(sessionPaths(folder).input);
  await expect(
    appendInput(folder, { offset: 0, bytes: Buffer.from("one\n") }),
  ).rejects.toMatchObject({ code: "HOST_FAILURE" });
});

test("an agent that never reads keeps nobody from saying more", async () => {
  const folder = await sessions.createFolder({ hasInput: true });
  await sessions.runScript("exec sleep 1000", { folder });
  const bytes = Buffer.alloc(1_000_000, "x");
  await appendInput(folder, { offset: 0, bytes });
  await appendInput(folder, { offset: bytes.length, bytes });
});

test("ending the input of an agent that has none, or has ended, is harmless", async () => {
  endInput({ relay: null });
  const folder = await sessions.createFolder({ hasInput: true });
  const session = await sessions.runScript("exit 0", { folder });
  await exitOf(session);
  endInput(session.identity);
});
