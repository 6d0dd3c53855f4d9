// Workers of a repository that was not cloned yet.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { dispatch, eventually, untilEnded } from "../support/workers.ts";

let git: GitServer;
let server: FactoryServer;

beforeAll(async () => {
  git = await startGitServer();
  server = await startFactory({
    env: {
      FACTORY_REMOTE_TEMPLATE: `http://${git.host}/{owner}/{name}.git`,
      FACTORY_MAX_WORKERS: "20",
      // No fetch after the clone, so that what the git server was asked is the clone's alone.
      FACTORY_SYNC_MAX_AGE: "600",
    },
  });
});

afterAll(async () => {
  await server.dispose();
  await git.stop();
});

test("20 dispatches to a repository that isn't there make one clone", async () => {
  for (const name of ["single", "shared"]) await git.createRepository("acme", name);
  // What one clone asks for.
  await server.query(
    `mutation { cloneRepository(input: { owner: "acme", name: "single" }) { created } }`,
  );
  await eventually(async () => {
    const { repository } = await server.query<{ repository: { status: string } }>(
      `{ repository(owner: "acme", name: "single") { status } }`,
    );
    return repository.status === "SYNCED";
  });
  const asked = git.requestCount(/\/single\.git\//);
  expect(asked).toBeGreaterThan(1);

  const clone = git.hold(/\/shared\.git\/info\/refs/);
  const workers = await Promise.all(
    Array.from({ length: 20 }, () =>
      dispatch(server, {
        parentSession: "twenty",
        repository: { owner: "acme", name: "shared" },
        task: "git rev-parse HEAD",
      }),
    ),
  );
  await clone.arrived;
  clone.release();
  const ended = await Promise.all(workers.map(({ id }) => untilEnded(server, id)));
  expect(ended.map(({ status }) => status)).toEqual(Array(20).fill("SUCCEEDED"));
  expect(new Set(ended.map(({ stdout }) => stdout)).size).toBe(1);
  expect(new Set(ended.map(({ worktree }) => worktree?.path)).size).toBe(20);
  expect(git.requestCount(/\/shared\.git\//)).toBe(asked);
  const { repository } = await server.query<{ repository: unknown }>(
    `{ repository(owner: "acme", name: "shared") { status worktrees { totalCount } } }`,
  );
  expect(repository).toEqual({ status: "SYNCED", worktrees: { totalCount: 20 } });
});

test("a clone that fails is the session's failure, with its code and git's reason", async () => {
  const { id } = await dispatch(server, {
    parentSession: "no-remote",
    repository: { owner: "acme", name: "nowhere" },
    task: "true",
  });
  const ended = await untilEnded(server, id);
  expect(ended).toMatchObject({
    status: "FAILED",
    failureCode: "REMOTE_NOT_FOUND",
    worktree: null,
  });
  expect(ended.statusReason).toContain("acme/nowhere");
  // The next dispatch tries again.
  await git.createRepository("acme", "nowhere");
  const again = await dispatch(server, {
    parentSession: "no-remote",
    repository: { owner: "acme", name: "nowhere" },
    task: "true",
  });
  expect((await untilEnded(server, again.id)).status).toBe("SUCCEEDED");
});
