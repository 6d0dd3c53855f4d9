// The command under a Node.js that is too old for it.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "@jest/globals";

const command = join(import.meta.dirname, "..", "..", "..", "bin", "factory.js");
const asOld = `data:text/javascript,${encodeURIComponent(
  'Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.20.2" } })',
)}`;

function run(program: string, commandLine: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(program, commandLine, { encoding: "utf8" });
  return { status, stdout, stderr };
}

test("what it names in a checkout works there", () => {
  const { status, stderr } = run(process.execPath, ["--import", asOld, command, "--version"]);
  const [, named = ""] = /: run (\S+) instead, /.exec(stderr) ?? [];
  expect([status, named]).toEqual([1, join(command, "..", "..", "factory")]);
  expect(run(named, ["--version"])).toEqual({
    status: 0,
    stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    stderr: "",
  });
});
