// Workers that dispatch workers: how many, how deep, and that they end together where somebody says so.
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startMember, type Member } from "../support/family.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { dispatch, dispatchMutation, readWorker, untilEnded } from "../support/workers.ts";

let git: GitServer;
let server: FactoryServer;
const repository = { owner: "acme", name: "app" };
let count = 0;

beforeAll(async () => {
  git = await startGitServer();
  await git.createRepository("acme", "app");
  server = await startFactory({
    git,
    env: {
      FACTORY_MAX_DEPTH: "2",
      FACTORY_MAX_CHILDREN: "3",
      FACTORY_MAX_WORKERS: "6",
    },
  });
});

afterAll(async () => {
  await server.dispose();
  await git.stop();
});

async function member(parent?: Member): Promise<Member> {
  count += 1;
  const input = {
    parentSession: parent?.name ?? "boss",
    repository,
    branch: `member-${String(count)}`,
  };
  return startMember(server, input, parent?.token);
}

function tryChild({ name, token }: Member): Promise<string[]> {
  return server.codes(
    dispatchMutation,
    { input: { agent: "shell", parentSession: name, repository, task: "true" } },
    token,
  );
}

const cancelMutation = `mutation ($id: ID!) {
  cancelWorker(input: { id: $id, children: true, reason: "enough" }) { worker { name } }
}`;

describe("the limits", () => {
  test("FACTORY_MAX_CHILDREN counts children that have not ended, however many come at once", async () => {
    const parent = await member();
    const held = await member(parent);
    await Promise.all(
      [1, 2].map((number) =>
        dispatch(
          server,
          // Behind the one that holds the branch.
          { parentSession: parent.name, repository, branch: held.branch, task: String(number) },
          parent.token,
        ),
      ),
    );
    expect(await Promise.all([tryChild(parent), tryChild(parent)])).toEqual([
      ["LIMIT_EXCEEDED"],
      ["LIMIT_EXCEEDED"],
    ]);
    await server.query(cancelMutation, { id: held.name });
    await untilEnded(server, held.id);
    expect(await tryChild(parent)).toEqual([]);
    await server.query(cancelMutation, { id: parent.name });
    await untilEnded(server, parent.id);
    await Promise.all([parent.dispose(), held.dispose()]);
  });

  test("FACTORY_MAX_DEPTH counts the workers above, whoever dispatches", async () => {
    const first = await member();
    const second = await member(first);
    const third = await member(second);
    expect(await tryChild(third)).toEqual(["LIMIT_EXCEEDED"]);
    const { errors } = await server.send(dispatchMutation, {
      input: { agent: "shell", parentSession: third.name, repository, task: "true" },
    });
    expect(errors?.[0]?.message).toMatch(/has 2 workers above it.*FACTORY_MAX_DEPTH/);
    await server.query(cancelMutation, { id: first.name });
    for (const { id, name } of [first, second, third]) {
      expect((await untilEnded(server, id)).status).toBe("CANCELLED");
      if (name === first.name) continue;
      expect((await readWorker(server, id)).statusReason).toBe(
        `cancelled: with ${first.name}: enough`,
      );
    }
    await Promise.all([first, second, third].map((one) => one.dispose()));
  });
});

test("a worker cancels its child with all below, and not itself", async () => {
  const first = await member();
  const second = await member(first);
  const third = await member(second);
  expect(await server.codes(cancelMutation, { id: first.name }, second.token)).toEqual([
    "FORBIDDEN",
  ]);
  await server.query(cancelMutation, { id: second.name }, first.token);
  for (const { id } of [second, third]) {
    expect((await untilEnded(server, id)).status).toBe("CANCELLED");
  }
  expect((await readWorker(server, first.id)).status).toBe("RUNNING");
  await first.release();
  expect((await untilEnded(server, first.id)).status).toBe("SUCCEEDED");
  await Promise.all([first, second, third].map((one) => one.dispose()));
});

test("a parent's workers are listed with theirs where that is asked for, as far as the asker may see", async () => {
  const first = await member();
  const second = await member(first);
  const third = await dispatch(server, { parentSession: second.name, repository, task: "true" });
  await untilEnded(server, third.name);
  const list = async (filter: string, token?: string) => {
    const { workerSessions } = await server.query<{
      workerSessions: { totalCount: number; nodes: { name: string }[] };
    }>(`{ workerSessions(last: 3, ${filter}) { totalCount nodes { name } } }`, {}, token);
    expect(workerSessions.totalCount).toBeGreaterThanOrEqual(workerSessions.nodes.length);
    return workerSessions.nodes.map(({ name }) => name);
  };
  const all = [first, second, third].map(({ name }) => name);
  expect(await list(`parentSession: "boss", descendants: true`)).toEqual(all);
  expect(await list(`parentSession: "${first.name}", descendants: true`)).toEqual(all.slice(1));
  expect(await list(`parentSession: "${first.name}"`)).toEqual([second.name]);
  const ended = `parentSession: "boss", descendants: true, status: [SUCCEEDED]`;
  expect((await list(ended)).at(-1)).toBe(third.name);
  expect(await list(`parentSession: "nobody", descendants: true`)).toEqual([]);
  expect(await list(`parentSession: "boss", descendants: true`, second.token)).toEqual(
    all.slice(1),
  );
  await Promise.all([first, second].map((one) => one.release()));
  await Promise.all([first, second].map((one) => untilEnded(server, one.name)));
  await Promise.all([first, second].map((one) => one.dispose()));
});
