import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { chmod, mkdtemp, open, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { GitFailure } from "../../../src/git/failure.ts";
import { createGit } from "../../../src/git/git.ts";
import { createRunner } from "../../../src/git/run.ts";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "factory-run-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** A runner whose git is this script. */
async function runnerOf(
  script: string,
  environment: Record<string, string> = {},
  lockGraceMs = 60_000,
) {
  const bin = await mkdtemp(join(folder, "bin-"));
  await writeFile(join(bin, "git"), `#!/bin/bash\n${script}\n`);
  await chmod(join(bin, "git"), 0o755);
  const path = `${bin}:${process.env["PATH"] ?? ""}`;
  return createRunner({
    home: folder,
    environment: { ...environment, PATH: path },
    protocols: ["https"],
    lockGraceMs,
  });
}

const place = () => ({ gitDirectory: join(folder, "x.git") });

/** Fails where the process is alive. One that nobody has reaped yet has ended too (state Z, proc(5)). */
const gone = async (file: string) => {
  const pid = (await readFile(file, "utf8")).trim();
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "State:\tgone");
  expect(status).toMatch(/^State:\t(?:gone|Z|X)/m);
};

describe("a call of git", () => {
  test("gets none of the server's own GIT_ variables and secrets, and can't prompt", async () => {
    const run = await runnerOf("env", {
      GIT_DIR: "/evil",
      GIT_SSH_COMMAND: "evil",
      GIT_CONFIG_COUNT: "1",
      GIT_ASKPASS: "evil",
      SSH_ASKPASS: "evil",
      EDITOR: "evil",
      API_TOKEN: "evil",
      HOME: "/home/me",
      https_proxy: "http://proxy",
    });
    const output = await run({ arguments: ["status"], place: place() });
    expect(output).not.toContain("evil");
    for (const line of [
      `GIT_DIR=${folder}/x.git`,
      "GIT_CONFIG_NOSYSTEM=1",
      "GIT_CONFIG_GLOBAL=/dev/null",
      "GIT_TERMINAL_PROMPT=0",
      "GIT_ALLOW_PROTOCOL=https",
      "HOME=/home/me",
      "https_proxy=http://proxy",
    ]) {
      expect(output.split("\n")).toContain(line);
    }
  });

  test("that fails tells its code and words, without credentials", async () => {
    const run = await runnerOf("echo 'fatal: https://me:secret@host/x is odd' >&2; exit 3");
    const error: unknown = await run({ arguments: ["log"], place: place() }).catch(
      (e: unknown) => e,
    );
    expect(error).toBeInstanceOf(GitFailure);
    expect(error).toMatchObject({
      command: "log",
      exitCode: 3,
      words: "fatal: https://***@host/x is odd",
    });
  });

  test("that fails without a word is a failure too", async () => {
    const run = await runnerOf("exit 1");
    await expect(run({ arguments: ["log"], place: place() })).rejects.toMatchObject({
      exitCode: 1,
    });
  });

  test.each([
    ["fatal: write error: No space left on device", "HOST_FAILURE"],
    ["error: unable to create file x: Read-only file system", "HOST_FAILURE"],
    ["fatal: could not create work tree dir 'x': Permission denied", "HOST_FAILURE"],
    [
      "fatal: could not read Username for 'https://h': terminal prompts disabled",
      "REMOTE_AUTH_FAILED",
    ],
    ["git@github.com: Permission denied (publickey).", "REMOTE_AUTH_FAILED"],
    [
      "remote: Repository not found.\nfatal: repository 'https://h/x/' not found",
      "REMOTE_NOT_FOUND",
    ],
    ["ERROR: The project you were looking for could not be found", "REMOTE_NOT_FOUND"],
    ["fatal: unable to access 'https://h/': Could not resolve host: h", "REMOTE_UNREACHABLE"],
    [
      "fatal: unable to access 'https://h/': The requested URL returned error: 502",
      "REMOTE_UNREACHABLE",
    ],
    ["ssh: connect to host h port 22: Connection refused", "REMOTE_UNREACHABLE"],
    ["fatal: something new", "REMOTE_UNREACHABLE"],
  ])("to a remote that says %j: %s", async (words, code) => {
    const run = await runnerOf(`echo ${JSON.stringify(words)} >&2; exit 128`);
    const call = { arguments: ["fetch"], place: place(), network: true };
    await expect(run(call)).rejects.toMatchObject({ code });
  });

  test("without git on PATH says so", async () => {
    const run = createRunner({
      home: folder,
      environment: { PATH: join(folder, "nowhere") },
      protocols: [],
      lockGraceMs: 0,
    });
    await expect(run({ arguments: ["log"], place: place() })).rejects.toMatchObject({
      code: "HOST_FAILURE",
      message: expect.stringContaining("PATH"),
    });
  });

  test("that takes too long is ended, with its helpers", async () => {
    const file = join(folder, "helper");
    const run = await runnerOf(`sleep 1000 & echo $! > ${file}; wait`);
    const local = { arguments: ["repack"], place: place(), timeoutMs: 300 };
    await expect(run(local)).rejects.toMatchObject({ code: "HOST_FAILURE" });
    await gone(file);
    const remote = { ...local, network: true };
    await expect(run(remote)).rejects.toMatchObject({ code: "REMOTE_UNREACHABLE" });
    await gone(file);
  });

  test("that stands still is ended, and one that goes on isn't", async () => {
    const still = await runnerOf("echo begun; sleep 1000");
    await expect(
      still({ arguments: ["fetch"], place: place(), network: true, stallMs: 300 }),
    ).rejects.toMatchObject({ code: "REMOTE_UNREACHABLE" });
    const going = await runnerOf("for i in 1 2 3 4 5 6; do sleep 0.2; echo $i >&2; done; echo end");
    const output = await going({ arguments: ["fetch"], place: place(), stallMs: 900 });
    expect(output).toBe("end\n");
  });

  test("that ignores the request to end is killed after its grace", async () => {
    const file = join(folder, "stubborn");
    const run = await runnerOf(
      `trap '' INT TERM; echo $$ > ${file}; echo up; while :; do sleep 1; done`,
    );
    const abort = new AbortController();
    const running = run({
      arguments: ["log"],
      place: place(),
      signal: abort.signal,
      onOutput() {
        abort.abort(new Error("enough"));
        return true;
      },
    });
    await expect(running).rejects.toThrow("enough");
    await gone(file);
  }, 20_000);

  test("whose output is cut counts as done and keeps no more than was read", async () => {
    const run = await runnerOf("yes");
    let seen = 0;
    const output = await run({
      arguments: ["log"],
      place: place(),
      onOutput(chunk) {
        seen += chunk.length;
        return seen < 100_000;
      },
    });
    expect(output).toBe("");
    expect(seen).toBeLessThan(300_000);
  });

  test("that was aborted before it began starts nothing", async () => {
    const file = join(folder, "started");
    const run = await runnerOf(`touch ${file}`);
    const signal = AbortSignal.abort(new Error("no"));
    await expect(run({ arguments: ["log"], place: place(), signal })).rejects.toThrow("no");
    await expect(readFile(file)).rejects.toThrow("ENOENT");
  });
});

describe("a lock file", () => {
  const advice = [
    "\n\nAnother git process seems to be running in this repository, e.g.",
    "an editor opened by 'git commit'. Please make sure all processes",
    "are terminated then try again. If it still fails, a git process",
    "may have crashed in this repository earlier:",
    "remove the file manually to continue.",
  ].join("\n");
  /** Fails while there is such a lock, in git's words, and then says what it was given. */
  const lockedBy = (...locks: string[]) =>
    locks
      .map(
        (lock) =>
          `if [ -e ${lock} ]; then echo "fatal: Unable to create '${lock}': File exists.${advice}" >&2; exit 128; fi\n`,
      )
      .join("") + 'echo "$1"';
  const makeLocks = async (...names: string[]) => {
    const place = await mkdtemp(join(folder, "locks-"));
    const locks = names.map((name) => join(place, `${name}.lock`));
    await Promise.all(locks.map((lock) => writeFile(lock, "")));
    return locks;
  };
  const call = {
    arguments: ["pack-refs"],
    place: { gitDirectory: "x.git" },
    waitsForLocks: true,
  };

  test("is waited for until it is given back", async () => {
    const [lock = ""] = await makeLocks("main");
    const run = await runnerOf(lockedBy(lock));
    const running = run(call);
    await expect(Promise.race([running, delay(300, "waiting")])).resolves.toBe("waiting");
    await rm(lock);
    await expect(running).resolves.toBe("pack-refs\n");
  });

  test("that a dead git left is removed when it is old enough, and so are others beside it", async () => {
    const [lock = "", other = ""] = await makeLocks("main", "other");
    const { mtimeMs } = await stat(lock);
    const run = await runnerOf(lockedBy(lock, other), {}, 3_000);
    await expect(run(call)).resolves.toBe("pack-refs\n");
    expect(Date.now() - mtimeMs).toBeGreaterThanOrEqual(3_000);
    await expect(stat(lock)).rejects.toThrow("ENOENT");
    await expect(stat(other)).rejects.toThrow("ENOENT");
  });

  test("that a process has open stays, and the call fails", async () => {
    const [lock = ""] = await makeLocks("main");
    const run = await runnerOf(lockedBy(lock), {}, 500);
    const file = await open(lock, "a");
    try {
      await expect(run(call)).rejects.toMatchObject({ code: "REPOSITORY_IN_USE" });
    } finally {
      await file.close();
    }
    await stat(lock);
  });

  test("that is fresh fails a call that doesn't wait, one that is old is removed for it too", async () => {
    const [lock = ""] = await makeLocks("main");
    const run = await runnerOf(lockedBy(lock));
    const hasty = { ...call, waitsForLocks: false };
    await expect(run(hasty)).rejects.toMatchObject({
      code: "REPOSITORY_IN_USE",
      message: expect.stringMatching(/\(git said: [^;]*main\.lock': File exists\.\)$/),
    });
    const old = new Date(Date.now() - 120_000);
    await utimes(lock, old, old);
    await expect(run(hasty)).resolves.toBe("pack-refs\n");
  });

  test("is not waited for when the caller has given up, and stops no other call", async () => {
    const [lock = ""] = await makeLocks("main");
    const run = await runnerOf(`[ "$1" = status ] && exit 0\n${lockedBy(lock)}`);
    const abort = new AbortController();
    const many = Array.from({ length: 50 }, () => run({ ...call, signal: abort.signal }));
    const ends = Promise.allSettled(many);
    await run({ ...call, arguments: ["status"] });
    abort.abort(new Error("enough"));
    for (const end of await ends) expect(end).toMatchObject({ reason: { message: "enough" } });
    await stat(lock);
  });
});

describe("the identity of workers' commits", () => {
  test("is the operator's, by environment, else by configuration, else Factory's", async () => {
    const home = await mkdtemp(join(folder, "home-"));
    const of = (environment: Record<string, string>) =>
      createGit({
        home: folder,
        environment: { PATH: process.env["PATH"], HOME: home, ...environment },
        protocols: [],
      }).identity();
    expect(await of({})).toEqual({ name: "Factory", email: "factory@localhost" });
    await writeFile(
      join(home, ".gitconfig"),
      "[user]\n\tname = Ada L\n\temail = ada@example.org\n",
    );
    expect(await of({})).toEqual({ name: "Ada L", email: "ada@example.org" });
    expect(await of({ GIT_AUTHOR_NAME: "Bob" })).toEqual({ name: "Bob", email: "ada@example.org" });
  });
});
