// What one worker may have together, by the public API of a server: it alone pays for what it takes too much of.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { testWithCap } from "../support/caps.ts";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { cloned } from "../support/repositories.ts";
import { availability } from "../support/sandbox.ts";
import { dispatch, eventually, readWorker, untilEnded, untilPrinted } from "../support/workers.ts";

const repository = { owner: "acme", name: "capped" };
/** Takes 200 MiB. */
const hog = `perl -e 'my $held = "a" x (200 * 2 ** 20); print "held\\n"'`;

const modes = ["off", ...(availability.available ? ["required"] : [])];

describe.each(modes)("with FACTORY_SANDBOX=%s", (mode) => {
  let git: GitServer;
  let server: FactoryServer;

  beforeAll(async () => {
    git = await startGitServer();
    const env = { FACTORY_SANDBOX: mode, FACTORY_WORKER_MEMORY: "96M", FACTORY_WORKER_CPUS: "1.5" };
    server = await startFactory({ git, env });
    await cloned(server, git, repository);
  });

  afterAll(async () => {
    await server.dispose();
    await git.stop();
  });

  testWithCap("memory", "a worker that goes over its memory ends, and it alone", async () => {
    const ask = (branch: string, task: string) =>
      dispatch(server, { parentSession: "lead", repository, branch, task });
    const neighbour = await ask(
      "neighbour",
      "echo up; until [ -e done ]; do sleep 0.1; done; echo went on",
    );
    await untilPrinted(server, neighbour.id, "up");
    const direct = await ask("direct", `exec ${hog}`);
    // What it starts counts too, and it can't go on without.
    const parent = await ask("parent", `setsid ${hog}; sleep 300; echo too far`);
    for (const { id } of [direct, parent]) {
      const ended = await untilEnded(server, id);
      expect(ended).toMatchObject({ status: "FAILED", failureCode: "MEMORY_EXCEEDED", stdout: "" });
      expect(ended.statusReason).toMatch(/96 MiB.*FACTORY_WORKER_MEMORY/);
    }
    const { workerSession } = await server.query<{
      workerSession: { status: string; worktree: { path: string } };
    }>("query ($id: ID!) { workerSession(id: $id) { status worktree { path } } }", {
      id: neighbour.id,
    });
    expect(workerSession.status).toBe("RUNNING");
    await writeFile(join(workerSession.worktree.path, "done"), "");
    expect((await untilEnded(server, neighbour.id)).stdout).toBe("up\nwent on\n");
    const less = await dispatch(server, {
      ...{ parentSession: "lead", repository, branch: "less", maxMemoryMib: 64 },
      task: `perl -e 'my $held = "a" x (16 * 2 ** 20)'; exec perl -e 'my $held = "a" x (80 * 2 ** 20)'`,
    });
    expect((await untilEnded(server, less.id)).statusReason).toMatch(/64 MiB.*maxMemoryMib/);
    const fine = await ask("fine", "echo fine");
    expect(await untilEnded(server, fine.id)).toMatchObject({
      status: "SUCCEEDED",
      stdout: "fine\n",
    });
  });
});

test("while the machine has little memory nothing is started, and the queue says why", async () => {
  const git = await startGitServer();
  let server = await startFactory({ git, env: { FACTORY_MEMORY_FLOOR: "900T" } });
  try {
    await cloned(server, git, repository);
    const { id } = await dispatch(server, { parentSession: "lead", repository, task: "echo ran" });
    const reason = /^1st in the queue; waits until .* MiB of memory free \(FACTORY_MEMORY_FLOOR\)$/;
    await eventually(async () => reason.test((await readWorker(server, id)).statusReason ?? ""));
    const { runners } = await server.query<{ runners: { waitReason: string | null }[] }>(
      "{ runners { waitReason } }",
    );
    expect(runners).toEqual([{ waitReason: expect.stringContaining("memory") }]);
    await server.terminate();
    server = await server.restart({ FACTORY_MEMORY_FLOOR: "0" });
    expect(await untilEnded(server, id)).toMatchObject({ status: "SUCCEEDED", stdout: "ran\n" });
    expect(await server.query("{ runners { waitReason } }")).toEqual({
      runners: [{ waitReason: null }],
    });
  } finally {
    await server.dispose();
    await git.stop();
  }
});
