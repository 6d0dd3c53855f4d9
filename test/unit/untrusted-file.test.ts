import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import {
  mkdir,
  mkdtemp,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  copyUntrustedFile,
  openUntrustedFile,
  openUntrustedFolder,
  readUntrustedFile,
  UntrustedFileError,
} from "../../src/untrusted-file.ts";

let folder: string;
let file: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "untrusted-"));
  file = join(folder, "file");
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const limit = { maxBytes: 1024 };

test("a regular file is read whole, up to exactly the limit", async () => {
  await writeFile(file, "x".repeat(1024));
  expect((await readUntrustedFile(file, limit)).toString()).toBe("x".repeat(1024));
  await writeFile(file, "");
  expect(await readUntrustedFile(file, limit)).toHaveLength(0);
});

test("a file that is missing is the system's error", async () => {
  await expect(readUntrustedFile(file, limit)).rejects.toMatchObject({ code: "ENOENT" });
});

test.each([
  ["a FIFO", () => void execFileSync("mkfifo", [file])],
  ["a folder", () => mkdir(file)],
  ["a symbolic link", () => symlink("/dev/zero", file)],
  ["a symbolic link", () => symlink("/etc/hostname", file)],
  ["larger than 1024 bytes", () => writeFile(file, "x".repeat(1025))],
  ["larger than 1024 bytes", () => writeFile(file, "").then(() => truncate(file, 2 ** 40))],
])("%s is refused at once", async (what, make) => {
  await make();
  const reading = readUntrustedFile(file, limit);
  await expect(reading).rejects.toThrow(UntrustedFileError);
  await expect(reading).rejects.toMatchObject({
    code: "HOST_FAILURE",
    message: expect.stringContaining(`${file} is ${what}`),
  });
});

test("a socket is refused", async () => {
  const server = createServer().listen(file);
  await new Promise((resolve) => server.once("listening", resolve));
  await expect(openUntrustedFile(file)).rejects.toThrow("is a socket");
  await new Promise((resolve) => server.close(resolve));
});

test("a FIFO that nobody reads is not written to, either", async () => {
  execFileSync("mkfifo", [file]);
  await expect(openUntrustedFile(file, { access: "write" })).rejects.toThrow(UntrustedFileError);
  await rm(file);
  await writeFile(file, "old");
  const handle = await openUntrustedFile(file, { access: "write" });
  await handle.write("new");
  await handle.close();
  expect(await readFile(file, "utf8")).toBe("new");
});

test("a device is refused", async () => {
  await expect(openUntrustedFile("/dev/zero")).rejects.toThrow("is a device");
});

test("a folder on the way that is a symbolic link is refused below a root", async () => {
  const [inside, elsewhere] = [join(folder, "inside"), join(folder, "elsewhere")];
  await mkdir(inside);
  await writeFile(join(inside, "file"), "mine");
  const read = () => readUntrustedFile(join(inside, "file"), { ...limit, root: folder });
  expect((await read()).toString()).toBe("mine");
  await rename(inside, elsewhere);
  await symlink(elsewhere, inside);
  await expect(read()).rejects.toThrow("is reached by a symbolic link");
});

test("a folder is opened as a file is: neither by a symbolic link nor behind one", async () => {
  const [inside, link] = [join(folder, "inside"), join(folder, "link")];
  await mkdir(join(inside, "deeper"), { recursive: true });
  await (await openUntrustedFolder(join(inside, "deeper"), { root: folder })).close();
  await symlink(inside, link);
  await expect(openUntrustedFolder(link)).rejects.toThrow("is a symbolic link, or no folder");
  const behind = openUntrustedFolder(join(link, "deeper"), { root: folder });
  await expect(behind).rejects.toThrow("is reached by a symbolic link");
  await expect(openUntrustedFolder(join(folder, "none"))).rejects.toMatchObject({ code: "ENOENT" });
});

test("the root itself may be reached by symbolic links", async () => {
  const root = join(folder, "root");
  await symlink(folder, root);
  await writeFile(file, "mine");
  const read = readUntrustedFile(join(root, "file"), { ...limit, root });
  expect((await read).toString()).toBe("mine");
});

test("a copy has the file's bytes and times", async () => {
  const copy = join(folder, "copy");
  const bytes = Buffer.alloc(700_000, "abc");
  await writeFile(file, bytes);
  await utimes(file, 1_000, 2_000);
  await copyUntrustedFile(file, copy, { maxBytes: 700_000 });
  expect((await readFile(copy)).equals(bytes)).toBe(true);
  expect((await stat(copy)).mtimeMs).toBe(2_000_000);
});

test("nothing is copied over a file that is there, nor from one that is too large", async () => {
  const copy = join(folder, "copy");
  await writeFile(file, "new");
  await writeFile(copy, "old");
  await expect(copyUntrustedFile(file, copy, limit)).rejects.toMatchObject({ code: "EEXIST" });
  await truncate(file, 2 ** 40);
  await expect(copyUntrustedFile(file, `${copy}2`, limit)).rejects.toThrow("is larger than");
});
