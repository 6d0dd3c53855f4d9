import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { describeSandbox, makeBase, runProgram, serverUsers } from "../../support/sandbox.ts";
import type { InsideInput, InsideResult } from "./run-inside.ts";

const program = path.join(import.meta.dirname, "run-inside.ts");

describeSandbox("a worker in a sandbox that is ended", () => {
  describe.each(serverUsers)("by a server that runs as $name", (user) => {
    let base = "";
    let remove: () => Promise<void>;

    beforeEach(async () => {
      ({ base, remove } = await makeBase(user));
    });

    afterEach(() => remove());

    function run(script: string, terminateAfterMs: number): Promise<InsideResult> {
      const input: InsideInput = { base, script, terminateAfterMs, network: "NONE" };
      return runProgram<InsideResult>(user, program, input);
    }

    test("gets the signal itself, and may finish with its network before it ends", async () => {
      // Without a further process, which would get a SIGTERM of its own.
      const { stdout, exitCode, terminated } = await run(
        `bye() { exec 3<>/dev/tcp/127.0.0.1/17902; printf 'GET /bye HTTP/1.0\\r\\n\\r\\n' >&3; mapfile -u 3 answer; echo "\${answer[-1]}"; exit 5; }
        trap bye TERM; echo ready; sleep 300 & wait`,
        20_000,
      );
      expect(stdout).toMatch(/^ready\nhost \/bye\n/);
      expect(exitCode).toBe(5);
      expect(terminated).toMatchObject({ forced: false, remaining: [] });
    });

    test("is killed with all that it has started where it doesn't end", async () => {
      const { exitCode, terminated } = await run(
        "trap '' TERM; (setsid sleep 300 &); echo ready; while :; do sleep 1; done",
        200,
      );
      expect(exitCode).toBe(-1);
      expect(terminated).toMatchObject({ forced: true, remaining: [] });
    });

    test("ends as by the signal where it takes no care of it", async () => {
      const { exitCode, terminated } = await run("echo ready; exec sleep 300", 20_000);
      // Of a signal bubblewrap tells as shells do: 128 and its number.
      expect(exitCode).toBe(143);
      expect(terminated).toMatchObject({ forced: false, remaining: [] });
    });
  });
});
