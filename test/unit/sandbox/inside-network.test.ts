import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { describeSandbox, makeBase, runProgram, serverUsers } from "../../support/sandbox.ts";
import type { InsideInput, InsideResult } from "./run-inside.ts";

const program = path.join(import.meta.dirname, "run-inside.ts");

describeSandbox("the network of a sandbox", () => {
  describe.each(serverUsers)("of a server that runs as $name", (user) => {
    let base = "";
    let remove: () => Promise<void>;

    beforeEach(async () => {
      ({ base, remove } = await makeBase(user));
    });

    afterEach(() => remove());

    function run(script: string, options: Partial<InsideInput> = {}): Promise<InsideResult> {
      return runProgram<InsideResult>(user, program, { base, script, ...options });
    }

    test("what is allowed is reached by the variables that programs know, from the first instruction on", async () => {
      const { stdout, stderr } = await run(
        'curl -sS http://$HOST/plain --noproxy ""; curl -sS -p http://$HOST/tunnel --noproxy ""; curl -sS http://127.0.0.1:17902/api',
        { network: "NONE,HOST" },
      );
      expect(stderr).toBe("");
      expect(stdout).toBe("host /plain\nhost /tunnel\nhost /api\n");
    });

    test("what isn't is refused in words that curl and git show", async () => {
      const { stderr, refused } = await run(
        "curl -sS https://denied.example/; curl -sS -v http://denied.example/ 2>&1 | grep '^< HTTP' >&2; git ls-remote https://git.denied.example/a/b",
        { network: "NONE,HOST" },
      );
      expect(stderr).toMatch(/CONNECT tunnel failed, response 403/);
      expect(stderr).toMatch(
        /^< HTTP\/1.1 403 Blocked by Factory: denied.example:80 is not allowed for this worker \(setting FACTORY_NETWORK\)/m,
      );
      expect(refused.map(({ host, port }) => `${host}:${port}`)).toEqual([
        "denied.example:443",
        "denied.example:80",
        "git.denied.example:443",
      ]);
    });

    test("there is no way around the proxy: no address, no name, no socket of the host", async () => {
      const { stdout } = await run(
        'for place in $HOST 1.1.1.1:53 169.254.169.254:80; do (exec 3<>/dev/tcp/${place/:/\\/}) 2>/dev/null && echo "reached $place"; done; getent hosts example.com; ls /run /var 2>&1',
        { network: "NONE,HOST" },
      );
      expect(stdout).not.toMatch(/reached/);
      expect(stdout.split("\n").filter((line) => line !== "")).toEqual(
        ["/run:", "factory", "", "/var:", "tmp"].filter((line) => line !== ""),
      );
    });

    test("it listens on ports of its own, whatever others do", async () => {
      const { stdout } = await run(
        "perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(LocalAddr => q(127.0.0.1), LocalPort => 8080, Listen => 1) or die $!; system(q(exec 3<>/dev/tcp/127.0.0.1/8080 && echo mine) =~ s/^/bash -c \"/r . q(\"))'",
        { network: "NONE" },
      );
      expect(stdout).toBe("mine\n");
    });

    test("the relay is no child of the agent's and is not ended by what ends it", async () => {
      const { stdout } = await run(
        "wait; pgrep -P $$ -l; kill -TERM -1; curl -sS http://127.0.0.1:17902/after",
        { network: "NONE" },
      );
      expect(stdout).toBe("host /after\n");
    });

    test("many connections at once, and large answers, come through whole", async () => {
      const { stdout, stderr } = await run(
        "for n in $(seq 30); do curl -sS http://127.0.0.1:17902/$n & done | sort | uniq -c | wc -l; head -c 30000000 /dev/zero | curl -sS -T - http://127.0.0.1:17902/upload",
        { network: "NONE" },
      );
      expect(stderr).toBe("");
      expect(stdout).toBe("30\nhost /upload\n");
    });
  });
});
