import { readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "@jest/globals";
import {
  createSessionFolder,
  removeSessionFolder,
  sessionPaths,
} from "../../../src/process/session-folder.ts";
import { openStdin } from "../../../src/process/stdin.ts";
import { exitOf, stdoutOf, stdoutWith, useSessions } from "./sessions.ts";

const sessions = useSessions();

test("a new folder is readable by its owner alone, and may be created again", async () => {
  const folder = path.join(sessions.base, "a", "b");
  await createSessionFolder({ folder, stdin: "fifo" });
  await createSessionFolder({ folder, stdin: "fifo" });
  expect((await stat(folder)).mode & 0o777).toBe(0o700);
  expect((await stat(sessionPaths(folder).temporary)).mode & 0o777).toBe(0o700);
  expect((await stat(sessionPaths(folder).stdin)).isFIFO()).toBe(true);
  expect(await readdir(folder)).toEqual(["stderr", "stdin", "stdout", "tmp"]);
});

test("a folder that can't be created is the host's failure", async () => {
  await writeFile(path.join(sessions.base, "file"), "");
  await expect(
    createSessionFolder({ folder: path.join(sessions.base, "file", "session") }),
  ).rejects.toMatchObject({ code: "HOST_FAILURE" });
});

test("removing takes what the worker left and nothing that it points to", async () => {
  const kept = path.join(sessions.base, "kept");
  await writeFile(kept, "kept");
  const session = await sessions.runScript(
    'mkdir -p "$TMPDIR/-rf/x" && touch "$TMPDIR/-rf/x/y" && chmod -R 0500 "$TMPDIR"',
  );
  await exitOf(session);
  await symlink(kept, path.join(session.folder, "link"));
  await symlink(sessions.base, path.join(session.folder, "folder-link"));
  await removeSessionFolder(session.folder);
  expect(await readdir(sessions.base)).toEqual(["kept"]);
  expect(await readFile(kept, "utf8")).toBe("kept");
  await removeSessionFolder(session.folder);
});

test.each(["/", "/tmp", "relative/path", ""])("%j is never removed", async (folder) => {
  await expect(removeSessionFolder(folder)).rejects.toMatchObject({ code: "INTERNAL" });
});

test("what is written to a session's input reaches its agent, across several writers", async () => {
  const folder = await sessions.createFolder("fifo");
  const session = await sessions.runScript(
    'while read -r line; do echo "got $line"; [[ $line == end ]] && exit 0; done; exit 1',
    { folder },
  );
  for (const line of ["one", "end"]) {
    const input = await openStdin(folder);
    input.write(`${line}\n`);
    await stdoutWith(session, `got ${line}\n`);
    input.destroy();
  }
  expect(await exitOf(session)).toMatchObject({ exitCode: 0 });
  expect(await stdoutOf(session)).toBe("got one\ngot end\n");
});

test("an agent that doesn't read makes its writer wait", async () => {
  const folder = await sessions.createFolder("fifo");
  await sessions.runScript("exec sleep 1000", { folder });
  const input = await openStdin(folder);
  expect(input.write("x".repeat(1_000_000))).toBe(false);
  expect(input.writableLength).toBeGreaterThan(0);
  input.destroy();
});

test("a session without an input, or whose reader is gone, says so", async () => {
  await expect(openStdin(await sessions.createFolder())).rejects.toMatchObject({
    code: "NOT_SUPPORTED",
  });
  await expect(openStdin(await sessions.createFolder("fifo"))).rejects.toMatchObject({
    code: "WORKER_NOT_RUNNING",
  });
});
