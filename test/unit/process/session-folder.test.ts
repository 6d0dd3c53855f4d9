import { readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "@jest/globals";
import {
  createSessionFolder,
  removeSessionFolder,
  sessionPaths,
} from "../../../src/process/session-folder.ts";
import { exitOf, useSessions } from "./sessions.ts";

const sessions = useSessions();

test("a new folder is readable by its owner alone, and may be created again", async () => {
  const folder = path.join(sessions.base, "a", "b");
  await createSessionFolder({ folder, hasInput: true });
  await createSessionFolder({ folder, hasInput: true });
  expect((await stat(folder)).mode & 0o777).toBe(0o700);
  expect((await stat(sessionPaths(folder).temporary)).mode & 0o777).toBe(0o700);
  expect((await stat(sessionPaths(folder).input)).mode & 0o777).toBe(0o600);
  expect(await readdir(folder)).toEqual(["input", "stderr", "stdout", "tmp"]);
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
