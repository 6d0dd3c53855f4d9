import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, test } from "@jest/globals";
import { waitForExit } from "../../../src/process/exit.ts";
import { identitySchema, isAlive } from "../../../src/process/identity.ts";
import { launch } from "../../../src/process/launch.ts";
import { readProcess } from "../../../src/process/proc.ts";
import { sessionPaths } from "../../../src/process/session-folder.ts";
import { findLeftovers } from "../../../src/process/terminate.ts";
import {
  environment,
  eventually,
  exitOf,
  stdoutOf,
  stdoutWith,
  useSessions,
  say,
} from "./sessions.ts";

const sessions = useSessions();

describe("how an agent ended", () => {
  test.each([0, 1, 3, 126, 127, 137, 143, 255])("exit code %i is told as such", async (code) => {
    const session = await sessions.runScript(`exit ${code}`);
    expect(await exitOf(session)).toMatchObject({
      kind: "exited",
      exitCode: code,
      signal: null,
      startFailure: null,
    });
  });

  test.each(["SIGTERM", "SIGKILL", "SIGINT", "SIGHUP", "SIGSEGV", "SIGUSR1", "SIGPIPE"])(
    "a death by %s is told from an exit code",
    async (signal) => {
      const session = await sessions.runScript(`kill -${signal.slice(3)} $$`);
      expect(await exitOf(session)).toMatchObject({ kind: "exited", exitCode: null, signal });
    },
  );

  test("the time of the end is between the start and now", async () => {
    const session = await sessions.runScript("exit 0");
    const outcome = await exitOf(session);
    expect(session.identity.startedAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    const endedAt = Date.parse(outcome.kind === "exited" ? outcome.endedAt : "");
    expect(endedAt).toBeGreaterThanOrEqual(Date.parse(session.identity.startedAt));
    expect(endedAt).toBeLessThanOrEqual(Date.now());
  });

  test("a stopped agent has not ended", async () => {
    const session = await sessions.runScript("kill -STOP $$; exit 5");
    const { pid } = session.identity.agent;
    await eventually(() => readProcess(pid)?.state === "T");
    // A signal of its own makes the shim wait anew, while the agent is stopped.
    process.kill(session.identity.shim.pid, "SIGTERM");
    expect(isAlive(session.identity)).toBe(true);
    process.kill(pid, "SIGCONT");
    expect(await exitOf(session)).toMatchObject({ exitCode: 5, signal: null });
  });

  test("a grandchild that keeps stdout open doesn't delay it", async () => {
    const session = await sessions.runScript("sleep 1000 & echo $!; exit 4");
    expect(await exitOf(session)).toMatchObject({ exitCode: 4 });
    expect(readProcess(Number(await stdoutOf(session)))).toBeDefined();
  });
});

describe("what can't be started", () => {
  test("a program that doesn't exist is told", async () => {
    const session = await sessions.runScript("", { command: ["no-such-program-here"] });
    expect(await exitOf(session)).toMatchObject({
      exitCode: 127,
      startFailure: "COMMAND_NOT_FOUND",
    });
  });

  test("a program that starts with a dash is no option of the shim", async () => {
    const session = await sessions.runScript("", { command: ["-a", "true"] });
    expect(await exitOf(session)).toMatchObject({ startFailure: "COMMAND_NOT_FOUND" });
  });

  test("a file that isn't executable is told", async () => {
    const file = path.join(sessions.base, "plain");
    await writeFile(file, "exit 0\n", { mode: 0o644 });
    const session = await sessions.runScript("", { command: [file] });
    expect(await exitOf(session)).toMatchObject({
      exitCode: 126,
      startFailure: "COMMAND_NOT_EXECUTABLE",
    });
  });

  test("a worktree that is gone is told", async () => {
    const session = await sessions.runScript("exit 0", { cwd: path.join(sessions.base, "gone") });
    expect(await exitOf(session)).toMatchObject({
      exitCode: 127,
      startFailure: "DIRECTORY_UNAVAILABLE",
    });
  });

  test("an argument beyond the system's limit is the caller's mistake", async () => {
    await expect(
      sessions.runScript("", { command: ["true", "x".repeat(200_000)] }),
    ).rejects.toMatchObject({ code: "BAD_INPUT" });
  });

  test("an empty command and a NUL are the caller's mistake", async () => {
    await expect(sessions.runScript("", { command: [] })).rejects.toMatchObject({
      code: "BAD_INPUT",
    });
    await expect(sessions.runScript("", { command: ["true", "a\0b"] })).rejects.toMatchObject({
      code: "BAD_INPUT",
    });
  });

  test("a variable that can't be passed on is refused without its value", async () => {
    for (const env of [{ TOKEN: "s3cret\0" }, { "A=B": "s3cret" }, { "": "s3cret" }]) {
      await expect(sessions.runScript("", { env })).rejects.toMatchObject({
        code: "BAD_INPUT",
        message: expect.not.stringContaining("s3cret"),
      });
    }
  });

  test("a missing folder or shell is the host's failure", async () => {
    const folder = await sessions.createFolder();
    await expect(sessions.runScript("", { folder, bash: "/no/bash" })).rejects.toMatchObject({
      code: "HOST_FAILURE",
    });
    await rm(folder, { recursive: true });
    await expect(sessions.runScript("", { folder })).rejects.toMatchObject({
      code: "HOST_FAILURE",
    });
  });

  test("a shim that ends or hangs without an identity fails the launch and leaves nothing", async () => {
    const hanging = path.join(sessions.base, "hanging");
    await writeFile(hanging, "#!/bin/bash\nsetsid sleep 1000 &\nsleep 1000\n");
    await chmod(hanging, 0o755);
    const nonce = "hanging-shim-nonce";
    await expect(
      sessions.runScript("", { bash: hanging, nonce, timeoutMs: 300 }),
    ).rejects.toMatchObject({ code: "HOST_FAILURE" });
    expect(await findLeftovers(nonce)).toEqual([]);
    await expect(sessions.runScript("", { bash: "/bin/false" })).rejects.toMatchObject({
      code: "HOST_FAILURE",
      message: expect.stringContaining("ended before"),
    });
  });
});

describe("what an agent finds", () => {
  test("its environment is the given one and nothing of the shim's", async () => {
    // Names that the shim or bash itself use, and things that bash would run.
    const env = {
      ...environment,
      LC_ALL: "C.UTF-8",
      status: "mine",
      name: "mine",
      factory_shim_state: "Exit 5",
      POSIXLY_CORRECT: "1",
      BASH_ENV: "/dev/stdin",
      "BASH_FUNC_kill%%": "() { exit 99; }",
    };
    const session = await sessions.runScript("", { command: ["env", "-0"], env });
    expect(await exitOf(session)).toMatchObject({ exitCode: 0 });
    const found = Object.fromEntries(
      (await stdoutOf(session))
        .split("\0")
        .filter((line) => line !== "")
        .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
    );
    const { factory_shim_state: _reserved, ...passed } = env;
    expect(found).toEqual({
      ...passed,
      FACTORY_SESSION_NONCE: session.identity.nonce,
      TMPDIR: sessionPaths(session.folder).temporary,
      PWD: sessions.base,
    });
  });

  test("POSIXLY_CORRECT in its environment doesn't spoil how its end is told", async () => {
    const env = { ...environment, POSIXLY_CORRECT: "1" };
    const session = await sessions.runScript("sleep 0.1; kill -KILL $$", { env });
    expect(await exitOf(session)).toMatchObject({ exitCode: null, signal: "SIGKILL" });
  });

  test("no signal is ignored or blocked, and the group is its own", async () => {
    const session = await sessions.runScript("grep -E '^Sig(Ign|Blk)' /proc/self/status");
    await exitOf(session);
    expect(await stdoutOf(session)).toBe("SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
    expect(session.identity.agent.processGroup).toBe(session.identity.agent.pid);
    expect(session.identity.agent.processGroup).not.toBe(session.identity.shim.pid);
  });

  test.each([false, true])("three open files and no more, with an input: %s", async (hasInput) => {
    const folder = await sessions.createFolder({ hasInput });
    const session = await sessions.runScript("echo up; exec sleep 1000", { folder });
    await stdoutWith(session, "up");
    const opened = `/proc/${session.identity.agent.pid}/fd`;
    await eventually(async () => (await readdir(opened)).length === 3);
    expect(await Promise.all(["0", "1", "2"].map((fd) => readlink(path.join(opened, fd))))).toEqual(
      [
        hasInput ? expect.stringMatching(/^pipe:/) : "/dev/null",
        sessionPaths(folder).stdout,
        sessionPaths(folder).stderr,
      ],
    );
  });

  test("a secret stands in no file of the folder and in no command line", async () => {
    const env = { ...environment, API_TOKEN: "s3cret-of-the-worker" };
    const session = await sessions.runScript("echo up; exec sleep 1000", { env });
    await stdoutWith(session, "up");
    const { shim, agent } = session.identity;
    const places = [`/proc/${shim.pid}/cmdline`, `/proc/${agent.pid}/cmdline`];
    for (const name of await readdir(session.folder)) {
      if (name !== "tmp") {
        places.push(path.join(session.folder, name));
      }
    }
    for (const place of places) {
      expect(await readFile(place, "utf8")).not.toContain("s3cret");
    }
    // Where it should be.
    expect(await readFile(`/proc/${agent.pid}/environ`, "utf8")).toContain("s3cret");
  });
});

describe("a shim", () => {
  test("survives SIGTERM, SIGINT and SIGHUP", async () => {
    const folder = await sessions.createFolder({ hasInput: true });
    const session = await sessions.runScript("echo up; read -r line; exit 6", { folder });
    await stdoutWith(session, "up");
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
      process.kill(session.identity.shim.pid, signal);
    }
    await say(folder, "go on\n");
    expect(await exitOf(session)).toMatchObject({ exitCode: 6 });
  });

  test("tells the agent's death by a signal that hits both at the same time", async () => {
    for (let round = 0; round < 20; round += 1) {
      const session = await sessions.runScript("", { command: ["sleep", "1000"] });
      process.kill(session.identity.shim.pid, "SIGTERM");
      process.kill(session.identity.agent.pid, "SIGTERM");
      process.kill(session.identity.shim.pid, "SIGHUP");
      expect(await exitOf(session)).toMatchObject({ exitCode: null, signal: "SIGTERM" });
    }
  });

  test("takes little memory", async () => {
    const { identity } = await sessions.runScript("exec sleep 1000");
    const status = await readFile(`/proc/${identity.shim.pid}/status`, "utf8");
    expect(Number(/^VmRSS:\s+(\d+) kB/m.exec(status)![1])).toBeLessThan(6000);
  });

  const launcher = (folder: string, script: string, after: string) => [
    "--input-type=module",
    "--disable-warning=ExperimentalWarning",
    "-e",
    `import { launch } from ${JSON.stringify(path.resolve(import.meta.dirname, "../../../src/process/launch.ts"))};
     const { identity } = await launch(${JSON.stringify({ folder, command: ["/bin/bash", "-c", script], cwd: "/", env: environment })});
     process.stdout.write(JSON.stringify(identity));
     ${after}`,
  ];

  test("goes on when its launcher is killed, and the exit is found later", async () => {
    const folder = await sessions.createFolder({ hasInput: true });
    // The launcher kills itself, as nothing else would let it know that its output was written.
    const args = launcher(folder, "read -r line; exit 42", 'process.kill(process.pid, "SIGKILL");');
    let printed = "";
    try {
      execFileSync(process.execPath, args, { encoding: "utf8" });
    } catch (error) {
      expect(error).toMatchObject({ signal: "SIGKILL" });
      printed = (error as { stdout: string }).stdout;
    }
    const identity = identitySchema.parse(JSON.parse(printed));
    sessions.own(identity.nonce);
    expect(isAlive(identity, "shim")).toBe(true);
    expect(isAlive(identity, "agent")).toBe(true);
    await say(folder, "go on\n");
    expect(
      await waitForExit({ folder, identity, signal: AbortSignal.timeout(20_000) }),
    ).toMatchObject({ exitCode: 42 });
  });

  test("keeps no launcher from ending", async () => {
    const folder = await sessions.createFolder();
    const args = launcher(folder, "exec sleep 1000", "");
    const printed = execFileSync(process.execPath, args, { encoding: "utf8", timeout: 20_000 });
    const identity = identitySchema.parse(JSON.parse(printed));
    sessions.own(identity.nonce);
    expect(isAlive(identity)).toBe(true);
  });
});

describe("one folder", () => {
  test("is launched into once", async () => {
    const { folder } = await sessions.runScript("exit 0");
    await expect(sessions.runScript("exit 0", { folder })).rejects.toMatchObject({
      code: "INTERNAL",
      message: expect.stringContaining("adopt"),
    });
  });

  test("gets one agent, however many launch at the same time", async () => {
    const folder = await sessions.createFolder();
    // Writes down the control group that each shim is given: empty where the host has none.
    const groups = path.join(sessions.base, "groups");
    const bash = path.join(sessions.base, "noting-bash");
    await writeFile(bash, `#!/bin/bash\necho "$3" >>${groups}\nexec /bin/bash "$@"\n`);
    await chmod(bash, 0o755);
    const results = await Promise.allSettled(
      Array.from({ length: 8 }, () =>
        launch({
          folder,
          command: ["/bin/bash", "-c", "echo $$ >>started; exec sleep 1000"],
          cwd: sessions.base,
          env: environment,
          bash,
        }),
      ),
    );
    const launched = results.filter((result) => result.status === "fulfilled");
    for (const { value } of launched) {
      sessions.own(value.identity.nonce);
    }
    expect(launched).toHaveLength(1);
    const started = path.join(sessions.base, "started");
    await eventually(async () => (await readFile(started, "utf8").catch(() => "")).length > 0);
    expect((await readFile(started, "utf8")).trim()).toBe(
      String(launched[0]!.value.identity.agent.pid),
    );
    const made = (await readFile(groups, "utf8")).trimEnd().split("\n");
    const own = launched[0]!.value.identity.cgroup;
    expect(made.filter((group) => existsSync(group))).toEqual(own === undefined ? [] : [own]);
  });
});
