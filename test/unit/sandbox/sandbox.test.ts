import { chmod, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { createSandbox, warningOf } from "../../../src/sandbox/sandbox.ts";
import { describeSandbox } from "../../support/sandbox.ts";

let home: string;

beforeEach(async () => {
  home = await mkdtemp(path.join(os.tmpdir(), "factory-sandbox-"));
  await chmod(home, 0o711);
});

afterEach(() => rm(home, { recursive: true, force: true }));

function create(mode: "required" | "auto" | "off", searchPath = "/usr/bin") {
  return createSandbox({ mode, home, folder: home, searchPath });
}

test("where it must be and can't, the start is refused with what to install", async () => {
  await expect(create("required", home)).rejects.toThrow(
    expect.objectContaining({
      code: "SANDBOX_UNAVAILABLE",
      message: expect.stringMatching(
        /^Workers can't be locked in here: bwrap is not installed. To change that, install it: apt-get install bubblewrap/,
      ),
    }),
  );
});

test("where it may be and can't, the start warns, and no worker is taken for locked in", async () => {
  const sandbox = await create("auto", home);
  expect(sandbox.isUsed).toBe(false);
  expect(warningOf(sandbox)).toMatch(
    /^workers are not locked in: bwrap is not installed. To lock them in, install it:/,
  );
  await expect(sandbox.prove({ programs: { files: [], links: {} }, readable: [] })).rejects.toThrow(
    /bwrap is not installed/,
  );
});

test("where it is off, nothing is tried and nothing is warned of", async () => {
  const sandbox = await create("off");
  expect(sandbox.isUsed).toBe(false);
  expect(warningOf(sandbox)).toBeUndefined();
});

describeSandbox("where it can be", () => {
  const kind = { programs: { files: [], links: {} }, readable: [] };

  test("it is used, without a warning, and a kind of workers proves itself once", async () => {
    const sandbox = await create("auto");
    expect(sandbox.isUsed).toBe(true);
    expect(warningOf(sandbox)).toBeUndefined();
    await Promise.all([sandbox.prove(kind), sandbox.prove(kind)]);
    // The second time no folder could be made for it.
    await rm(home, { recursive: true });
    await sandbox.prove(kind);
    await expect(sandbox.prove({ ...kind, readable: ["/usr/bin"] })).rejects.toThrow(
      /could not prepare the sandbox's test/,
    );
  });

  test("a kind that failed is proven anew", async () => {
    const sandbox = await create("auto");
    const file = path.join(home, "missing");
    const needs = { ...kind, readable: [file] };
    await expect(sandbox.prove(needs)).rejects.toThrow(`${file} is missing`);
    await writeFile(file, "");
    await chmod(file, 0o644);
    await sandbox.prove(needs);
    expect(await readdir(home)).toEqual(["missing"]);
  });

  test("one that would show all of FACTORY_HOME is refused", async () => {
    const sandbox = await create("required");
    await expect(sandbox.prove({ ...kind, readable: [home] })).rejects.toThrow(/would show/);
  });
});
