// Workers of a repository that was not cloned yet.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { dispatch, untilEnded } from "../support/workers.ts";

let git: GitServer;
let server: FactoryServer;

beforeAll(async () => {
  git = await startGitServer();
  server = await startFactory({ git });
});

afterAll(async () => {
  await server.dispose();
  await git.stop();
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
