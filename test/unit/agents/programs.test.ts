import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { createProgramFinder } from "../../../src/agents/programs.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "factory-programs-"));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

function addProgram(...parts: string[]): string {
  const file = path.join(folder, ...parts);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, "#!/bin/sh\n");
  chmodSync(file, 0o755);
  return file;
}

test("the first folder of PATH that has the program wins", () => {
  const second = addProgram("second", "tool");
  const search = [path.join(folder, "first"), path.join(folder, "second")].join(":");

  expect(createProgramFinder(search).find("tool")).toBe(second);
  const first = addProgram("first", "tool");
  expect(createProgramFinder(search).find("tool")).toBe(first);
});

test("a relative path is no program, whatever lies there", () => {
  addProgram("tool");
  const relative = path.relative(process.cwd(), path.join(folder, "tool"));

  expect(createProgramFinder(folder).find(relative)).toBeUndefined();
  expect(createProgramFinder(folder).find("./tool")).toBeUndefined();
});

test("an answer stands for two seconds, so that an installation shows soon", () => {
  let now = 0;
  const finder = createProgramFinder(folder, () => now);
  expect(finder.find("late")).toBeUndefined();
  const file = addProgram("late");

  now = 1999;
  expect(finder.find("late")).toBeUndefined();
  now = 2000;
  expect(finder.find("late")).toBe(file);
});
