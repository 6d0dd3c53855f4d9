import path from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { describeSandbox, makeBase, runProgram, serverUsers } from "../../support/sandbox.ts";
import type { WorkerResult } from "./run-worker.ts";

const program = path.join(import.meta.dirname, "run-worker.ts");

describeSandbox("a worker that is locked in", () => {
  let remove: () => Promise<void>;
  let bases: Record<string, string>;

  beforeEach(async () => {
    const made = await Promise.all(serverUsers.map((user) => makeBase(user)));
    bases = Object.fromEntries(made.map(({ base }, index) => [serverUsers[index]!.name, base]));
    remove = async () => {
      for (const { remove } of made) await remove();
    };
  });

  afterEach(() => remove());

  test.each(
    serverUsers.flatMap((user) => [
      { ...user, isClosed: false, where: "" },
      { ...user, isClosed: true, where: ", all in a folder that is closed to others" },
    ]),
  )(
    "commits in a repository of its own, and finds the network again after a restart of a server of $name$where",
    async ({ isClosed, ...user }) => {
      const base = bases[user.name];
      const result = await runProgram<WorkerResult>(user, program, { base, isClosed });
      expect(result.stderr).toBe("");
      expect(result.stdout).toBe(
        "From inside\nFirst\nhttp://127.0.0.1:17902\nhost /first\nhost /second\n",
      );
      expect(result.exitCode).toBe(0);
      expect(result.heads[0]).toBe(result.heads[1]);
      expect(result.subjects).toBe("From inside\nFirst\n");
      expect(result.asked).toEqual(["/first", "/interrupted", "/second"]);
    },
  );
});
