import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { reachBinaries, resolveBinaries } from "../../../src/database/embedded/binaries.ts";
import { linkLibraries } from "../../../src/database/embedded/links.ts";
import { layoutIn } from "../../../src/database/embedded/layout.ts";

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "factory-binaries-"));
  await chmod(root, 0o711);
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

// Of nobody's: not the owner of what the test makes, nor in its group.
const stranger = { uid: 60_000, gid: 60_000 };

async function makePackage(version: string) {
  const folder = join(root, "closed", "package", "native");
  await mkdir(join(folder, "bin"), { recursive: true });
  await chmod(join(root, "closed"), 0o700);
  await writeFile(join(dirname(folder), "package.json"), JSON.stringify({ version }));
  await writeFile(join(folder, "bin", "initdb"), "initdb");
  await writeFile(join(folder, "bin", "postgres"), `postgres ${version}`, { mode: 0o755 });
  return {
    folder,
    initdb: join(folder, "bin", "initdb"),
    postgres: join(folder, "bin", "postgres"),
  };
}

test("links of libraries that no install script has made are made, and what is there stays", async () => {
  const native = join(root, "native");
  await mkdir(join(native, "lib"), { recursive: true });
  await writeFile(join(native, "lib", "libpq.so.5.18"), "");
  await writeFile(join(native, "lib", "libpq.so.5"), "mine");
  const links = ["libpq.so.5", "libpq.so"].map((name) => ({
    source: "native/lib/libpq.so.5.18",
    target: `native/lib/${name}`,
  }));
  await writeFile(join(native, "pg-symlinks.json"), JSON.stringify(links));
  await linkLibraries(root);
  expect(await readlink(join(native, "lib", "libpq.so"))).toBe("libpq.so.5.18");
  expect(await readFile(join(native, "lib", "libpq.so.5"), "utf8")).toBe("mine");
  await linkLibraries(root);
});

test("a package that lists no links needs none", async () => {
  await linkLibraries(root);
});

test("programs that Postgres's user can reach are used where they are", async () => {
  const binaries = await resolveBinaries();
  expect(await reachBinaries(binaries, undefined, layoutIn(root))).toEqual(binaries);
});

test("programs below a folder closed to Postgres's user are copied once per version", async () => {
  const layout = layoutIn(root);
  await mkdir(layout.folder, { mode: 0o711 });
  const binaries = await makePackage("1.0.0");
  const copy = await reachBinaries(binaries, stranger, layout);
  expect(dirname(dirname(copy.postgres))).toBe(join(layout.folder, "programs-1.0.0"));
  expect(await readFile(copy.postgres, "utf8")).toBe("postgres 1.0.0");

  await writeFile(copy.postgres, "the copy");
  expect(await reachBinaries(binaries, stranger, layout)).toEqual(copy);
  expect(await readFile(copy.postgres, "utf8")).toBe("the copy");

  const newer = await reachBinaries(await makePackage("2.0.0"), stranger, layout);
  expect(await readFile(newer.postgres, "utf8")).toBe("postgres 2.0.0");
  expect(await readdir(layout.folder)).toEqual(["programs-2.0.0"]);
});
