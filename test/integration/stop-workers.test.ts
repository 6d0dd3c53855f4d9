// A server whose workers end with it.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import {
  createGate,
  dispatch,
  eventually,
  isAlive,
  readWorker,
  untilEnded,
  untilPrinted,
  untilStatus,
} from "../support/workers.ts";

let git: GitServer;
let server: FactoryServer;
const repository = { owner: "acme", name: "app" };

beforeAll(async () => {
  git = await startGitServer();
  await git.createRepository("acme", "app");
  await git.createRepository("acme", "slow");
  server = await startFactory({
    arguments: ["--stop-workers-on-exit"],
    git,
    env: { FACTORY_MAX_WORKERS: "3" },
  });
});

afterAll(async () => {
  await server.dispose();
  await git.stop();
});

test("SIGTERM with --stop-workers-on-exit ends the workers within the grace period, and what is queued waits", async () => {
  const gate = await createGate();
  const parentSession = "ended";
  const polite = await dispatch(server, {
    parentSession,
    repository,
    task: `trap 'echo bye; exit 0' TERM; echo $$; ${gate.wait} & wait`,
  });
  // Neither it nor its grandchild in a session of its own listens to SIGTERM.
  const stubborn = await dispatch(server, {
    parentSession,
    repository,
    task: `trap '' TERM; setsid sleep 1000 & echo $$ $!; wait`,
  });
  const pids = await Promise.all(
    [polite, stubborn].map(async ({ id }) => (await untilPrinted(server, id, "\n")).split(/\s/)),
  );
  const clone = git.hold(/\/slow\.git\//);
  const preparing = await dispatch(server, {
    parentSession,
    repository: { owner: "acme", name: "slow" },
    task: "true",
  });
  await clone.arrived;
  await untilStatus(server, preparing.id, "PREPARING");
  const queued = await dispatch(server, { parentSession, repository, task: "echo ran" });
  expect((await readWorker(server, queued.id)).status).toBe("QUEUED");

  const begun = performance.now();
  expect(await server.terminate()).toBe(0);
  expect(performance.now() - begun).toBeLessThan(12_000);
  const all = pids
    .flat()
    .filter((pid) => pid !== "")
    .map(Number);
  expect(all).toHaveLength(3);
  await eventually(async () => !(await Promise.all(all.map(isAlive))).includes(true));
  clone.release();

  server = await server.restart();
  for (const { id } of [polite, stubborn, preparing]) {
    expect(await readWorker(server, id)).toMatchObject({
      status: "CANCELLED",
      statusReason: "cancelled: the server was stopped",
    });
  }
  expect((await untilEnded(server, polite.id)).stdout).toContain("bye\n");
  expect(await untilEnded(server, queued.id)).toMatchObject({
    status: "SUCCEEDED",
    stdout: "ran\n",
  });
  await gate.dispose();
});
