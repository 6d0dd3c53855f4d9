import { spawnSync } from "node:child_process";
import { chmod, mkdir, readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { describeSandbox, makeBase, runProgram, serverUsers } from "../../support/sandbox.ts";
import { eventually } from "../process/sessions.ts";
import type { CanaryInput } from "./run-canary.ts";

/** The process ids of relays, those of other tests too. */
function relays(): string[] {
  const { stdout } = spawnSync("pgrep", ["-x", "factory-relay"], { encoding: "utf8" });
  return stdout.split("\n").filter((line) => line !== "");
}

const program = path.join(import.meta.dirname, "run-canary.ts");

describeSandbox("the canary", () => {
  describe.each(serverUsers)("of a server that runs as $name", (user) => {
    let base = "";
    let home = "";
    let remove: () => Promise<void>;

    beforeEach(async () => {
      ({ base, remove } = await makeBase(user));
      home = path.join(base, "home");
      await mkdir(home);
      await chmod(home, 0o777);
    });

    afterEach(() => remove());

    function prove(options: Partial<CanaryInput> = {}): Promise<string | null> {
      return runProgram<string | null>(user, program, {
        base: home,
        bubblewrap: "/usr/bin/bwrap",
        readable: [],
        ...options,
      });
    }

    /** A bubblewrap that leaves some of its arguments out, as one that is broken or isn't what it says would. */
    async function makeBroken(edit: string): Promise<string> {
      const file = path.join(base, "bwrap");
      await writeFile(
        file,
        `#!/bin/bash\narguments=()\nwhile (($#)); do case $1 in ${edit} *) arguments+=("$1"); shift;; esac; done\nexec /usr/bin/bwrap "\${arguments[@]}"\n`,
      );
      await chmod(file, 0o755);
      return file;
    }

    test("finds nothing against a sandbox that holds, and leaves nothing behind", async () => {
      expect(await prove()).toBeNull();
      expect(await readdir(home)).toEqual([]);
    });

    test("finds a file that can be read", async () => {
      expect(await prove({ readable: [home] })).toMatch(
        /^SANDBOX_UNAVAILABLE .*: it can read a file of the server's; it reaches a socket of the server's\. No worker is started/,
      );
    });

    test("finds files that can be written", async () => {
      const bubblewrap = await makeBroken("--ro-bind) arguments+=(--bind); shift;;");
      const said = await prove({ bubblewrap, readable: [home] });
      expect(said).toMatch(/it can write a file of the server's/);
      expect(said).toMatch(/it can write what the sandbox itself is made of|it can read/);
    });

    test("finds a network that is the machine's", async () => {
      const said = await prove({ bubblewrap: await makeBroken("--unshare-net) shift;;") });
      expect(said).toMatch(/it reaches a port of this machine/);
      expect(said).toMatch(/it reaches an abstract socket/);
    });

    test("finds processes that can be signalled", async () => {
      const before = relays();
      const said = await prove({ bubblewrap: await makeBroken("--unshare-pid) shift;;") });
      // As root the worker's user is another one, so that it could see the server and not signal it.
      expect(said).toEqual(
        user.uid === 0 ? null : expect.stringMatching(/it can signal the server/),
      );
      // Nothing ends with such a sandbox by itself.
      await eventually(() => !relays().some((pid) => !before.includes(pid)));
    });

    test("says so where the sandbox can't be started", async () => {
      const bubblewrap = path.join(base, "bwrap");
      await writeFile(
        bubblewrap,
        "#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n",
      );
      await chmod(bubblewrap, 0o755);
      expect(await prove({ bubblewrap })).toMatch(
        /^SANDBOX_UNAVAILABLE .*it couldn't be started: bwrap: setting up uid map: Permission denied\./,
      );
    });

    test("doesn't believe one that says nothing", async () => {
      const bubblewrap = path.join(base, "bwrap");
      await writeFile(bubblewrap, "#!/bin/sh\nexit 0\n");
      await chmod(bubblewrap, 0o755);
      expect(await prove({ bubblewrap })).toMatch(/it didn't come to try \(readsDeniedFile\)/);
    });
  });
});
