import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, expect, test, describe } from "@jest/globals";
import { describeSandbox, makeBase, runProgram, serverUsers } from "../../support/sandbox.ts";
import { eventually } from "../process/sessions.ts";
import type { InsideInput, InsideResult } from "./run-inside.ts";

const program = path.join(import.meta.dirname, "run-inside.ts");

describeSandbox("inside a sandbox", () => {
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

    test("a worker writes its worktree, its repository, HOME and TMPDIR, and starts in its worktree", async () => {
      const { stdout, stderr, exitCode } = await run(
        'pwd; for f in . ../repository "$HOME" "$TMPDIR"; do echo x >$f/new && cat $f/new; done; rm new; exit 7',
      );
      expect(stderr).toBe("");
      expect(stdout).toBe(`${base}/worktree\nx\nx\nx\nx\n`);
      expect(exitCode).toBe(7);
    });

    test("it can't write what it only reads, and what it writes beside its folders is its own memory", async () => {
      const { stdout } = await run(
        'for f in "$BASE/objects/x" /usr/x /etc/x /x /run/factory/x /run/factory/hosts; do (echo x >>$f) 2>/dev/null && echo wrote $f; done; echo x >"$BASE/x"; ls "$BASE"',
      );
      expect(stdout).toBe("home\nobjects\nrepository\ntemporary\nworktree\nx\n");
      expect(existsSync(path.join(base, "x"))).toBe(false);
    });

    test("nothing else is in sight: other folders of the server, homes, and of /etc what may hold secrets", async () => {
      const { stdout } = await run(
        'cat "$BASE/secret"; ls -A /root /home /tmp /var; ls /etc; ls /; for f in shadow npmrc sudoers; do [ -e /etc/$f ] && echo "/etc/$f is there"; done; [ -s /etc/gitconfig ] && echo "/etc/gitconfig is there"',
      );
      expect(stdout).not.toContain("the server's");
      expect(stdout).not.toMatch(/is there/);
      expect(stdout).toMatch(/^passwd$/m);
      expect(stdout).toMatch(/^ssl$/m);
      expect(stdout).not.toMatch(/^(boot|mnt|srv|opt|media|sys)$/m);
    });

    test("it is no root, has a name, no capability, and can gain none", async () => {
      const { stdout } = await run(
        "id -u; whoami; hostname; grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status",
      );
      const [uid, ...rest] = stdout.trim().split("\n");
      expect(Number(uid)).toBeGreaterThan(0);
      expect(rest).toEqual([
        "worker",
        "worker",
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
      ]);
    });

    test("calls of the kernel that lead out, or that it has no use for, are shut to it and what it starts", async () => {
      const isArm = process.arch === "arm64";
      const [keyctl, uring, bpf] = isArm ? [219, 425, 280] : [250, 425, 321];
      const script = `
        print "family $_: ", (socket(my $s, $_, 1, 0) ? "opens" : $!), "\n" for 40, 38, 1, 2, 10;
        print "call $_: ", (syscall($_, 0, 0, 0) < 0 ? $! : "taken"), "\n" for ${[keyctl, uring, bpf].join(", ")};`;
      const { stdout } = await run(
        `perl -e '${script}'; sh -c "perl -e 'exit !socket(S, 40, 1, 0)'"; echo $?`,
      );
      const refused = "Address family not supported by protocol";
      expect(stdout.split("\n")).toEqual([
        `family 40: ${refused}`,
        `family 38: ${refused}`,
        ...["family 1: opens", "family 2: opens", "family 10: opens"],
        `call ${String(keyctl)}: Operation not permitted`,
        `call ${String(uring)}: Function not implemented`,
        `call ${String(bpf)}: Operation not permitted`,
        ...["1", ""],
      ]);
    });

    test("it sees and signals its own processes alone", async () => {
      const { stdout } = await run(
        'kill -0 "$SERVER" 2>/dev/null && echo reached; ls /proc | grep -cE "^[0-9]+$"',
      );
      // The sandbox's init, bash, its two of the pipe.
      expect(Number(stdout)).toBeLessThanOrEqual(5);
      expect(stdout).not.toContain("reached");
    });

    test("it has no network but a loopback of its own", async () => {
      const { stdout } = await run(
        "cat /proc/net/dev | tail -n +3 | cut -d: -f1; cat /proc/net/route | wc -l",
      );
      expect(stdout.replaceAll(" ", "")).toBe("lo\n1\n");
    });

    test("its variables stand in no command line, and no other comes in", async () => {
      const { stdout, command } = await run("env; tr '\\0' ' ' </proc/1/cmdline", {
        environment: {
          ANTHROPIC_API_KEY: "sk-secret",
          HTTPS_PROXY: "http://user:pass@proxy.example",
        },
      });
      expect(stdout).toContain("ANTHROPIC_API_KEY=sk-secret\n");
      expect(command.join(" ")).not.toContain("sk-secret");
      expect(stdout).not.toContain("pass@proxy");
      expect(stdout.split("\n").filter((line) => line.startsWith("PWD="))).toEqual([
        `PWD=${base}/worktree`,
      ]);
    });

    test("an agent may have a sandbox of its own in it", async () => {
      const { stdout, stderr } = await run(
        "bwrap --ro-bind / / --bind $PWD $PWD --unshare-all --proc /proc --dev /dev sh -c 'echo nested >inner'; cat inner",
      );
      expect(stderr).toBe("");
      expect(stdout).toBe("nested\n");
    });

    test("what it leaves in the background ends with it", async () => {
      const mark = `sandbox-${String(process.pid)}-${String(Date.now())}`;
      const { exitCode } = await run(
        `(setsid bash -c 'exec -a ${mark} sleep 300' >/dev/null 2>&1 &) ; while ! pgrep -f '^${mark}' >/dev/null; do :; done; exit 0`,
      );
      expect(exitCode).toBe(0);
      await eventually(() => !processes().includes(mark));
    });

    test("a fork bomb meets its limit, which is its own", async () => {
      const { stdout } = await run(
        `perl -e 'for (1..30) { my $pid = fork; if (!defined $pid) { print "$_: $!"; last } if (!$pid) { sleep 20; exit } }'`,
        { maxProcesses: 12 },
      );
      expect(stdout).toMatch(/^(\d|1[0-2]): Resource temporarily unavailable$/);
    });

    test("a program of npm's, by a link, finds its package and its interpreter", async () => {
      const packages = path.join(base, "tools/lib/node_modules");
      await mkdir(path.join(packages, "agent/bin"), { recursive: true });
      await mkdir(path.join(packages, "dependency"));
      await mkdir(path.join(base, "tools/bin"));
      await writeFile(path.join(packages, "dependency/index.js"), "exports.word = 'works';");
      const file = path.join(packages, "agent/bin/cli.js");
      await writeFile(
        file,
        "#!/usr/bin/env bash\necho works $(basename $0); cat $(dirname $(readlink -f $0))/../../dependency/index.js",
      );
      await chmod(file, 0o755);
      await symlink("../lib/node_modules/agent/bin/cli.js", path.join(base, "tools/bin/agent"));
      const { stdout, stderr } = await run("agent; ls $BASE/tools", {
        programs: ["agent"],
        path: `${base}/tools/bin:/usr/bin`,
      });
      expect(stderr).toBe("");
      expect(stdout).toBe("works agent\nexports.word = 'works';bin\nlib\n");
    });

    test("a worktree that was replaced by a link is refused, not followed", async () => {
      await mkdir(path.join(base, "elsewhere"), { mode: 0o777 });
      await symlink(path.join(base, "elsewhere"), path.join(base, "extra"));
      const { refusal } = await run("true", { readable: [path.join(base, "extra")] });
      expect(refusal).toBe(
        `${base}/extra leads to ${base}/elsewhere: a worker may have replaced it by a link; remove it`,
      );
      await rm(path.join(base, "extra"));
    });

    test("what would show a hidden folder is refused", async () => {
      await mkdir(path.join(base, "hidden"));
      const { refusal } = await run("true", { readable: [base] });
      expect(refusal).toBe(`a sandbox that shows ${base} would show ${base}/hidden`);
    });
  });
});

function processes(): string {
  return execFileSync("ps", ["-eo", "args"], { encoding: "utf8" });
}
