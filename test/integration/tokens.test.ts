import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { collect, SubscriptionRefused } from "../support/collect.ts";
import { startFactory, type FactoryServer, type Variables } from "../support/factory.ts";
import { startMember, type Member } from "../support/family.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { runCommand } from "../support/command.ts";
import { connect, textOf } from "../support/mcp.ts";
import { openRest } from "../support/rest.ts";
import { sendMutation, writeScriptedAgents } from "../support/talks.ts";
import { postToken } from "../support/sign-in.ts";
import { openWebSocket } from "../support/web-socket.ts";
import { createGate, dispatch, untilEnded, untilPrinted } from "../support/workers.ts";

const app = { owner: "team", name: "app" };
const other = { owner: "team", name: "other" };

let git: GitServer;
let factory: FactoryServer;
let folder: string;
/** boss → self → child → grandchild; boss → sibling; boss → stranger, in another repository. */
let self: Member;
let child: Member;
let grandchild: Member;
let sibling: Member;
let stranger: Member;
/** A child of self's, and one of the boss's, that have ended. */
let endedChild: string;
let endedSibling: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "factory-tokens-"));
  const FACTORY_AGENTS = await writeScriptedAgents(folder);
  [git, factory] = await Promise.all([
    startGitServer(),
    startFactory({ env: { FACTORY_MAX_WORKERS: "20", FACTORY_AGENTS } }),
  ]);
  for (const { owner, name } of [app, other]) {
    await git.createRepository(owner, name);
    await factory.query(
      `mutation ($input: CloneRepositoryInput!) { cloneRepository(input: $input) { created } }`,
      { input: { owner, name, url: git.url(owner, name) } },
    );
  }
  const boss = { parentSession: "boss" };
  [self, sibling, stranger] = await Promise.all([
    startMember(factory, { ...boss, repository: app, branch: "self" }),
    startMember(factory, { ...boss, repository: app, branch: "sibling" }),
    startMember(factory, { ...boss, repository: other, branch: "stranger" }),
  ]);
  const own = { parentSession: self.name, repository: app };
  child = await startMember(factory, { ...own, branch: "child" }, self.token);
  grandchild = await startMember(
    factory,
    { parentSession: child.name, repository: app, branch: "grandchild" },
    child.token,
  );
  const short = { task: "true", repository: app };
  const [mine, theirs] = await Promise.all([
    dispatch(factory, { ...own, ...short, branch: "ended-child" }, self.token),
    dispatch(factory, { ...boss, ...short, branch: "ended-sibling" }),
  ]);
  [endedChild, endedSibling] = [mine.name, theirs.name];
  await Promise.all([endedChild, endedSibling].map((name) => untilEnded(factory, name)));
});

afterAll(async () => {
  await Promise.all(
    [self, child, grandchild, sibling, stranger].map(async (member) => {
      await member.release();
      await untilEnded(factory, member.name);
      await member.dispose();
    }),
  );
  await factory.dispose();
  await git.stop();
  await rm(folder, { recursive: true });
});

/** With self's token: the data, or the codes of the errors. */
async function ask(document: string, variables: Variables = {}): Promise<unknown> {
  const { data, errors } = await factory.send(document, variables, self.token);
  return errors === undefined ? data : errors.map(({ extensions }) => extensions.code);
}

async function idOf(document: string): Promise<string> {
  const data = await factory.query<Record<string, { id: string }>>(document);
  const id = Object.values(data)[0]?.id;
  if (id === undefined) throw new Error(`nothing is at ${document}`);
  return id;
}

const forbidden = ["FORBIDDEN"];

describe("a worker's token reads", () => {
  test("its own session and its descendants', by name and by id, and no other", async () => {
    const query = `query ($id: ID!) { workerSession(id: $id) { name } }`;
    for (const { name, id } of [self, child, grandchild]) {
      expect(await ask(query, { id: name })).toEqual({ workerSession: { name } });
      expect(await ask(query, { id })).toEqual({ workerSession: { name } });
    }
    for (const { name, id } of [sibling, stranger]) {
      expect(await ask(query, { id: name })).toEqual(forbidden);
      expect(await ask(query, { id })).toEqual(forbidden);
    }
    expect(await ask(query, { id: "worker-999999" })).toEqual({ workerSession: null });
  });

  test("its own repository, and no other", async () => {
    const query = `query ($owner: String!, $name: String!) {
      repository(owner: $owner, name: $name) {
        nameWithOwner
        worktrees { totalCount nodes { branch } }
        workerSessions { totalCount nodes { name } }
      }
    }`;
    const branches = ["self", "child", "grandchild", "ended-child"];
    const names = [self.name, child.name, grandchild.name, endedChild];
    expect(await ask(query, app)).toEqual({
      repository: {
        nameWithOwner: "team/app",
        worktrees: { totalCount: 4, nodes: branches.map((branch) => ({ branch })) },
        workerSessions: { totalCount: 4, nodes: names.map((name) => ({ name })) },
      },
    });
    expect(await ask(query, other)).toEqual(forbidden);
  });

  test("its own worktree and its descendants', and no other", async () => {
    const query = `query ($branch: String!, $owner: String!, $name: String!) {
      worktree(owner: $owner, name: $name, branch: $branch) { branch diff { text } }
    }`;
    for (const { branch } of [self, child, grandchild]) {
      expect(await ask(query, { ...app, branch })).toMatchObject({ worktree: { branch } });
    }
    expect(await ask(query, { ...app, branch: sibling.branch })).toEqual(forbidden);
    expect(await ask(query, { ...app, branch: "ended-sibling" })).toEqual(forbidden);
    expect(await ask(query, { ...other, branch: stranger.branch })).toEqual(forbidden);
  });

  test("of its parent the name, and of parents below itself all", async () => {
    const query = `query ($name: String!) { parentSession(name: $name) { name } }`;
    expect(await ask(query, { name: self.name })).toEqual({ parentSession: { name: self.name } });
    expect(await ask(query, { name: child.name })).toEqual({ parentSession: { name: child.name } });
    expect(await ask(query, { name: "boss" })).toEqual(forbidden);

    const up = (fields: string) =>
      `{ workerSession(id: "${self.name}") { parentSession { ${fields} } } }`;
    expect(await ask(up("name"))).toEqual({ workerSession: { parentSession: { name: "boss" } } });
    for (const field of ["createdAt", "lastSequence", "workerCounts { total }"]) {
      expect(await ask(up(field))).toEqual(forbidden);
    }
    // A list holds what it may see: itself.
    expect(await ask(up("workerSessions { totalCount nodes { name } }"))).toEqual({
      workerSession: {
        parentSession: { workerSessions: { totalCount: 1, nodes: [{ name: self.name }] } },
      },
    });
    expect(
      await ask(
        `{ parentSession(name: "${self.name}") { lastSequence workerCounts { total } workerSessions { nodes { name } } } }`,
      ),
    ).toMatchObject({
      parentSession: {
        workerCounts: { total: 2 },
        workerSessions: { nodes: [{ name: child.name }, { name: endedChild }] },
      },
    });
  });

  test("lists that hold just these", async () => {
    const names = [self.name, child.name, grandchild.name, endedChild];
    expect(
      await ask(`{
        repositories { totalCount nodes { nameWithOwner } }
        worktrees { totalCount nodes { branch } }
        workerSessions { totalCount nodes { name } }
        parentSessions { totalCount nodes { name } }
        ofBoss: workerSessions(parentSession: "boss") { totalCount nodes { name } }
        running: workerSessions(status: [RUNNING]) { totalCount }
      }`),
    ).toEqual({
      repositories: { totalCount: 1, nodes: [{ nameWithOwner: "team/app" }] },
      worktrees: {
        totalCount: 4,
        nodes: ["self", "child", "grandchild", "ended-child"].map((branch) => ({ branch })),
      },
      workerSessions: { totalCount: 4, nodes: names.map((name) => ({ name })) },
      parentSessions: { totalCount: 2, nodes: [{ name: self.name }, { name: child.name }] },
      ofBoss: { totalCount: 1, nodes: [{ name: self.name }] },
      running: { totalCount: 3 },
    });
  });

  test("a child sees nothing of who dispatched it but the name", async () => {
    const { data } = await factory.send(
      `{ workerSession(id: "${child.name}") { parentSession { name } parentWorker { name } children { nodes { name } } } }`,
      {},
      child.token,
    );
    expect(data).toEqual({
      workerSession: {
        parentSession: { name: self.name },
        parentWorker: null,
        children: { nodes: [{ name: grandchild.name }] },
      },
    });
    const upwards = `query ($id: ID!) { workerSession(id: $id) { id } }`;
    expect(await factory.codes(upwards, { id: self.name }, child.token)).toEqual(forbidden);
  });

  test("by global id what it reads by name, and no more", async () => {
    const query = `query ($id: ID!) { node(id: $id) { id } }`;
    const worktree = (branch: string, { owner, name } = app) =>
      idOf(`{ worktree(owner: "${owner}", name: "${name}", branch: "${branch}") { id } }`);
    const mine = [
      self.id,
      grandchild.id,
      await worktree("self"),
      await worktree("child"),
      await idOf(`{ repository(owner: "team", name: "app") { id } }`),
      await idOf(`{ parentSession(name: "${self.name}") { id } }`),
    ];
    for (const id of mine) expect(await ask(query, { id })).toEqual({ node: { id } });
    const theirs = [
      sibling.id,
      stranger.id,
      await worktree("sibling"),
      await worktree("stranger", other),
      await idOf(`{ repository(owner: "team", name: "other") { id } }`),
      await idOf(`{ parentSession(name: "boss") { id } }`),
    ];
    for (const id of theirs) expect(await ask(query, { id })).toEqual(forbidden);
  });

  test("the agents", async () => {
    expect(await ask("{ agents { name } }")).toMatchObject({ agents: expect.any(Array) });
  });
});

describe("a worker's token follows", () => {
  async function follow(document: string, variables: Variables = {}): Promise<readonly string[]> {
    const followed = factory.subscribe(document, variables, self.token);
    const ended = followed.completed.then(
      () => [],
      (error: unknown) => (error instanceof SubscriptionRefused ? error.codes : [String(error)]),
    );
    const first = followed.first(1).then(
      () => [],
      () => ended,
    );
    const codes = await first;
    followed.end();
    return codes;
  }

  test("its own and its descendants' events, and no other's", async () => {
    const document = `subscription ($id: ID!) { workerEvents(id: $id, after: 0) { sequence } }`;
    for (const { name } of [self, child, grandchild]) {
      expect(await follow(document, { id: name })).toEqual([]);
    }
    for (const { name } of [sibling, stranger]) {
      expect(await follow(document, { id: name })).toEqual(forbidden);
    }
  });

  test("its own children's and its descendants' children's changes, and not its parent's", async () => {
    const document = `subscription ($name: String!) { workerStatusChanged(parentSession: $name, after: 0) { sequence } }`;
    for (const { name } of [self, child]) expect(await follow(document, { name })).toEqual([]);
    for (const name of ["boss", "nobody-yet", sibling.name, stranger.name, "worker-999999"]) {
      expect(await follow(document, { name })).toEqual(forbidden);
    }
  });

  test("its own repository, and of its worktrees those that it may see", async () => {
    const repository = `subscription ($owner: String!, $name: String!) { repositoryChanged(owner: $owner, name: $name, after: 0) { sequence } }`;
    expect(await follow(repository, app)).toEqual([]);
    expect(await follow(repository, other)).toEqual(forbidden);

    const document = `subscription ($owner: String!, $name: String!) {
      worktreeChanged(owner: $owner, name: $name, after: 0) { branch worktree { branch } }
    }`;
    expect(await follow(document, other)).toEqual(forbidden);
    const followed = factory.subscribe<{ worktreeChanged: { branch: string } }>(
      document,
      app,
      self.token,
    );
    const seen = await followed.until((all) =>
      all.some(({ worktreeChanged }) => worktreeChanged.branch === "ended-child"),
    );
    followed.end();
    expect(new Set(seen.map(({ worktreeChanged }) => worktreeChanged.branch))).toEqual(
      new Set(["self", "child", "grandchild", "ended-child"]),
    );
  });

  test("in the overview what it may see", async () => {
    interface Overview {
      overviewChanged: { workerSessions: string[]; repositories: string[] };
    }
    const document = "subscription { overviewChanged { workerSessions repositories } }";
    const followed = factory.subscribe<Overview>(document, {}, self.token);
    const all = factory.subscribe<Overview>(document);
    const changed = (messages: readonly Overview[], id: string) =>
      messages.some(({ overviewChanged }) => overviewChanged.workerSessions.includes(id));
    const report = `mutation { reportWorker(input: {message: "so far"}) { worker { id } } }`;
    // Until each stands, what is reported may be missed.
    for (const { token } of [sibling, child]) await factory.query(report, {}, token);
    await all.until((messages) => changed(messages, child.id));
    await factory.query(report, {}, sibling.token);
    await factory.query(report, {}, child.token);
    await followed.until((messages) => changed(messages, child.id));
    expect(changed(followed.messages, sibling.id)).toBe(false);
    followed.end();
    all.end();
  });
});

describe("a worker's token does", () => {
  const shell = { agent: "shell", task: "true" };
  const dispatchMutation = `mutation ($input: DispatchWorkerInput!) {
    dispatchWorker(input: $input) { worker { name parentWorker { name } } }
  }`;

  test("dispatch with its own name as parent, to its own repository, and not otherwise", async () => {
    const sessions = async () =>
      factory.query<{ workerSessions: { totalCount: number } }>(
        "{ workerSessions { totalCount } }",
      );
    const before = await sessions();
    for (const input of [
      { parentSession: "boss", repository: app },
      { parentSession: sibling.name, repository: app },
      { parentSession: child.name, repository: app },
      { parentSession: "a-new-one", repository: app },
      { parentSession: self.name, repository: other },
      { parentSession: self.name, repository: { owner: "team", name: "unknown" } },
      { parentSession: self.name, issue: "https://github.com/team/other/issues/1" },
    ]) {
      expect(await ask(dispatchMutation, { input: { ...shell, ...input } })).toEqual(forbidden);
    }
    expect(await sessions()).toEqual(before);
    expect(await factory.query(`{ parentSession(name: "a-new-one") { id } }`)).toEqual({
      parentSession: null,
    });

    const input = { ...shell, parentSession: self.name, repository: app, branch: "one-more" };
    const answer = (await ask(dispatchMutation, { input })) as {
      dispatchWorker: { worker: { name: string } };
    };
    expect(answer).toMatchObject({
      dispatchWorker: { worker: { parentWorker: { name: self.name } } },
    });
    await untilEnded(factory, answer.dispatchWorker.worker.name);
  });

  test("retry its descendants, and neither itself nor others", async () => {
    const retry = `mutation ($id: ID!) { retryWorker(input: {id: $id}) { worker { name previous { name } } } }`;
    for (const id of [self.name, sibling.name, endedSibling, stranger.name]) {
      expect(await ask(retry, { id })).toEqual(forbidden);
    }
    const answer = (await ask(retry, { id: endedChild })) as {
      retryWorker: { worker: { name: string } };
    };
    expect(answer).toMatchObject({ retryWorker: { worker: { previous: { name: endedChild } } } });
    await untilEnded(factory, answer.retryWorker.worker.name);
  });

  test("cancel its descendants, and neither itself nor others", async () => {
    const cancel = `mutation ($id: ID!) { cancelWorker(input: {id: $id}) { worker { name } } }`;
    for (const id of [self.name, self.id, sibling.name, sibling.id, endedSibling, stranger.name]) {
      expect(await ask(cancel, { id })).toEqual(forbidden);
    }
    const running = `{ workerSession(id: "${sibling.name}") { status } }`;
    expect(await factory.query(running)).toEqual({ workerSession: { status: "RUNNING" } });

    const doomed = await startMember(
      factory,
      { parentSession: child.name, repository: app, branch: "doomed" },
      child.token,
    );
    expect(await ask(cancel, { id: doomed.name })).toEqual({
      cancelWorker: { worker: { name: doomed.name } },
    });
    expect(await untilEnded(factory, doomed.name)).toMatchObject({ status: "CANCELLED" });
    await doomed.dispose();
  });

  test("report, which the operator's token can't", async () => {
    const report = `mutation { reportWorker(input: {message: "half way"}) { worker { name } } }`;
    expect(await ask(report)).toEqual({ reportWorker: { worker: { name: self.name } } });
    expect(await factory.codes(report)).toEqual(forbidden);
  });

  test("sync its own repository and create worktrees in it, and in no other", async () => {
    const sync = `mutation ($owner: String!, $name: String!) {
      syncRepository(input: {owner: $owner, name: $name}) { repository { nameWithOwner } }
    }`;
    expect(await ask(sync, app)).toMatchObject({
      syncRepository: { repository: { nameWithOwner: "team/app" } },
    });
    expect(await ask(sync, other)).toEqual(forbidden);

    const create = `mutation ($input: CreateWorktreeInput!) {
      createWorktree(input: $input) { created worktree { branch diff { text } } }
    }`;
    expect(await ask(create, { input: { ...app, branch: "made" } })).toMatchObject({
      createWorktree: { created: true, worktree: { branch: "made" } },
    });
    expect(await ask(create, { input: { ...app, branch: "made" } })).toMatchObject({
      createWorktree: { created: false },
    });
    expect(await ask(create, { input: { ...app, branch: "self" } })).toMatchObject({
      createWorktree: { created: false },
    });
    expect(await ask(create, { input: { ...other, branch: "made" } })).toEqual(forbidden);
    // Creating what is there is no way into another session's worktree.
    expect(await ask(create, { input: { ...app, branch: "sibling" } })).toEqual(forbidden);
    expect(await ask(create, { input: { ...app, branch: "ended-sibling" } })).toEqual(forbidden);
  });

  test("dispatch to no branch of another session's, at work or ended", async () => {
    const dispatchChild = (branch: string) =>
      ask(
        `mutation ($input: DispatchWorkerInput!) { dispatchWorker(input: $input) { worker { branch } } }`,
        {
          input: {
            parentSession: self.name,
            repository: app,
            agent: "shell",
            task: "git reset -q --hard HEAD~1",
            branch,
          },
        },
      );
    expect(await dispatchChild("sibling")).toEqual(forbidden);
    expect(await dispatchChild("ended-sibling")).toEqual(forbidden);
    expect(await dispatchChild("ended-child")).toMatchObject({
      dispatchWorker: { worker: { branch: "ended-child" } },
    });
  });

  test("neither clone nor delete anything", async () => {
    const clone = `mutation ($input: CloneRepositoryInput!) { cloneRepository(input: $input) { created } }`;
    for (const input of [app, { owner: "team", name: "new", url: git.url("team", "other") }]) {
      expect(await ask(clone, { input })).toEqual(forbidden);
    }
    const worktree = `mutation ($input: DeleteWorktreeInput!) { deleteWorktree(input: $input) { branch } }`;
    for (const branch of ["self", "child", "ended-child", "made", "sibling", "no-such"]) {
      for (const force of [false, true]) {
        expect(await ask(worktree, { input: { ...app, branch, force } })).toEqual(forbidden);
      }
    }
    const repository = `mutation ($input: DeleteRepositoryInput!) { deleteRepository(input: $input) { name } }`;
    for (const input of [app, { ...app, force: true }, other]) {
      expect(await ask(repository, { input })).toEqual(forbidden);
    }
    expect(await factory.query(`{ repositories { totalCount } }`)).toEqual({
      repositories: { totalCount: 2 },
    });
  });

  test("nothing over HTTP that is the operator's alone", async () => {
    const opened = await postToken(factory, self.token);
    expect(opened.status).toBe(401);
    expect(opened.headers.get("set-cookie")).toBeNull();
  });

  test("no request of more than 256 KiB, over HTTP, REST, MCP and WebSocket", async () => {
    const text = "x".repeat(256 * 1024);
    const query = "query ($text: String!) { parentSession(name: $text) { id } }";
    for (const path of ["/graphql", "/api/agents/sessions/dispatch-worker", "/mcp"]) {
      const response = await fetch(factory.url + path, {
        method: "POST",
        headers: { authorization: `Bearer ${self.token}`, "content-type": "application/json" },
        body: JSON.stringify({ query, variables: { text } }),
      });
      expect([path, response.status < 500, response.ok]).toEqual([path, true, false]);
      expect(await response.text()).toContain("larger than 256 KiB");
    }
    const client = openWebSocket({ url: factory.url, token: self.token });
    const asked = collect(client, query, { text });
    await expect(asked.completed).rejects.toMatchObject({ codes: ["BAD_INPUT"] });
    await client.dispose();
    const short = { text: "x".repeat(200 * 1024) };
    expect(await factory.codes(query, short, self.token)).toEqual([]);
  });
});

describe("a worker's token gives at most what its own session has", () => {
  const { owner, name: repo } = app;
  const dispatchMutation = `mutation ($input: DispatchWorkerInput!) {
    dispatchWorker(input: $input) { worker { name priority timeoutSeconds push } }
  }`;
  const task = "git commit -q --allow-empty -m Work";
  /** Has push, a priority, retries and a time limit; self has none of them. */
  let pusher: Member;

  beforeAll(async () => {
    await git.git(owner, repo, "branch", "release", "main");
    const more = { push: true, priority: -3, retries: 1, timeoutSeconds: 600 };
    pusher = await startMember(factory, {
      parentSession: "boss",
      repository: app,
      branch: "pusher",
      more,
    });
  });

  afterAll(async () => {
    await pusher.release();
    await untilEnded(factory, pusher.name);
    await pusher.dispose();
  });

  function inputOf(member: Member, more: Readonly<Record<string, unknown>>) {
    return { agent: "shell", task, parentSession: member.name, repository: app, ...more };
  }

  async function tryDispatch(member: Member, more: Readonly<Record<string, unknown>>) {
    const input = inputOf(member, more);
    const { data, errors } = await factory.send(dispatchMutation, { input }, member.token);
    const [error] = errors ?? [];
    if (error !== undefined) return { code: error.extensions.code, message: error.message };
    return (data as { dispatchWorker: { worker: Readonly<Record<string, unknown>> } })
      .dispatchWorker.worker;
  }

  const tip = (branch: string) =>
    git.git(owner, repo, "for-each-ref", "--format=%(objectname)", `refs/heads/${branch}`);

  test.each([
    [{ push: true, branch: "pushed-by-none" }, /push is true.*worker-\d+ has false/],
    [{ push: true, branch: "main" }, /push is true/],
    [{ priority: 1 }, /priority is 1.*worker-\d+ has 0/],
    [{ priority: 1_000_000 }, /priority/],
    [{ retries: 10 }, /retries is 10.*worker-\d+ has 0/],
    [{ push: true, priority: 7 }, /push is true.*priority is 7/],
  ])("which is FORBIDDEN otherwise: %j for one that has none of it", async (more, which) => {
    const message: unknown = expect.stringMatching(which);
    expect(await tryDispatch(self, more)).toEqual({ code: "FORBIDDEN", message });
  });

  test.each([
    [{ priority: -2 }, /priority is -2.*has -3/],
    [{ retries: 2 }, /retries is 2.*has 1/],
    [{ timeoutSeconds: 601 }, /timeoutSeconds is 601.*has 600/],
  ])("which is FORBIDDEN otherwise: %j for one that has some of it", async (more, which) => {
    const message: unknown = expect.stringMatching(which);
    expect(await tryDispatch(pusher, more)).toEqual({ code: "FORBIDDEN", message });
  });

  test("and what isn't asked for is its own where that is less than the default", async () => {
    expect(await tryDispatch(self, { branch: "as-self" })).toMatchObject({
      priority: 0,
      timeoutSeconds: null,
    });
    expect(await tryDispatch(pusher, { branch: "as-pusher", priority: 0 })).toMatchObject({
      priority: -3,
      timeoutSeconds: 600,
      push: false,
    });
    const less = { branch: "less", priority: -9, timeoutSeconds: 30, retries: 1 };
    expect(await tryDispatch(pusher, less)).toMatchObject({ priority: -9, timeoutSeconds: 30 });
  });

  test("over REST, MCP and the command too", async () => {
    const { token } = self;
    const rest = await openRest(factory);
    const body = { parentSession: self.name, agent: "shell", task, owner, repo, priority: 5 };
    const answered = await rest.post("/api/agents/sessions/dispatch-worker", body, { token });
    expect(answered).toMatchObject({ status: 403, body: { error: { code: "FORBIDDEN" } } });

    const client = await connect(factory.url, { token });
    const called = await client.callTool({
      name: "dispatch_worker",
      arguments: { agent: "shell", task, push: true, branch: "main" },
    });
    expect(called.isError).toBe(true);
    expect(textOf(called)).toMatch(/FORBIDDEN.*push is true/);
    await client.close();

    const env = { FACTORY_URL: factory.url, FACTORY_TOKEN: token, FACTORY_WORKER: self.name };
    const at = ["--repo", "team/app", "--branch", "main"];
    const ran = await runCommand(factory, ["dispatch", "--agent", "shell", ...at, "--push", task], {
      env,
    });
    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(/push is true/);
  });

  test("so it pushes to a branch that it or its own made, and to no other", async () => {
    const before = await Promise.all(["main", "release"].map(tip));
    const sync = `mutation { syncRepository(input: {owner: "team", name: "app"}) { repository { id } } }`;
    await factory.query(sync, {}, pusher.token);
    // Neither a worktree of it nor a child that works there makes it the worker's own.
    const create = `mutation ($input: CreateWorktreeInput!) { createWorktree(input: $input) { created } }`;
    await factory.query(create, { input: { ...app, branch: "release" } }, pusher.token);
    const worked = await tryDispatch(pusher, { branch: "release" });
    await untilEnded(factory, String("name" in worked ? worked["name"] : ""));
    for (const branch of ["main", "Main", "MAIN", "release"]) {
      const refused = await tryDispatch(pusher, { branch, push: true });
      expect([branch, refused]).toEqual([
        branch,
        { code: "FORBIDDEN", message: expect.stringContaining(branch) as unknown },
      ]);
    }
    for (const branch of ["refs/heads/main", "refs/remotes/origin/main", "HEAD"]) {
      expect(await tryDispatch(pusher, { branch, push: true })).toMatchObject({
        code: "BAD_INPUT",
      });
    }
    expect(await Promise.all(["main", "release"].map(tip))).toEqual(before);

    for (const _again of [1, 2]) {
      const pushed = await tryDispatch(pusher, { branch: "of-a-child", push: true });
      const ended = await untilEnded(factory, String("name" in pushed ? pushed["name"] : ""));
      expect(ended).toMatchObject({ status: "SUCCEEDED" });
      expect(await tip("of-a-child")).toBe(ended.commits.at(-1)?.id);
    }
  });

  test("also where somebody makes the branch on the remote meanwhile", async () => {
    const gate = await createGate();
    const held = `echo holding; ${gate.wait}; ${task}`;
    const taken = await tryDispatch(pusher, { branch: "taken", push: true, task: held });
    const worker = String("name" in taken ? taken["name"] : "");
    await untilPrinted(factory, worker, "holding");
    await git.git(owner, repo, "branch", "taken", "main");
    await gate.open();
    expect(await untilEnded(factory, worker)).toMatchObject({
      status: "FAILED",
      failureCode: "FORBIDDEN",
    });
    expect(await tip("taken")).toBe(await tip("main"));
    // What the last fetch had not seen is seen before the agent starts.
    await git.git(owner, repo, "branch", "unseen", "main");
    const late = await tryDispatch(pusher, { branch: "unseen", push: true });
    const ended = await untilEnded(factory, String("name" in late ? late["name"] : ""));
    expect(ended).toMatchObject({ status: "FAILED", failureCode: "FORBIDDEN", startedAt: null });
    expect(await tip("unseen")).toBe(await tip("main"));
  });

  test("by a retry and a follow-up too, whoever dispatched what they repeat", async () => {
    const child = (more: Readonly<Record<string, unknown>>) =>
      dispatch(factory, { parentSession: self.name, repository: app, ...more });
    const [pushes, outranks, spoken] = await Promise.all([
      child({ task, branch: "from-above", push: true }),
      child({ task, branch: "urgent", priority: 9 }),
      child({ task: "do: say hello", agent: "scripted", branch: "spoken", retries: 1 }),
    ]);
    await Promise.all([pushes, outranks, spoken].map(({ id }) => untilEnded(factory, id)));
    const retry = `mutation ($id: ID!) { retryWorker(input: {id: $id}) { worker { name } } }`;
    expect(await ask(retry, { id: pushes.name })).toEqual(forbidden);
    expect(await ask(retry, { id: outranks.name })).toEqual(forbidden);
    const input = { id: spoken.name, text: "do: say more" };
    expect(await ask(sendMutation, { input })).toEqual(forbidden);
  });
});

describe("when its session ends, a worker's token", () => {
  test("is UNAUTHENTICATED, on a WebSocket that is open too, and what it followed ends", async () => {
    const leaver = await startMember(factory, {
      parentSession: "boss",
      repository: app,
      branch: "leaver",
    });
    const orphan = await startMember(
      factory,
      { parentSession: leaver.name, repository: app, branch: "orphan" },
      leaver.token,
    );
    // It stays open while nothing is asked.
    const client = openWebSocket({ url: factory.url, token: leaver.token }, { lazy: false });
    const documents = [
      `subscription { workerStatusChanged(parentSession: "${leaver.name}", after: 0) { sequence } }`,
      `subscription { workerEvents(id: "${orphan.name}", after: 0) { sequence } }`,
      `subscription { repositoryChanged(owner: "team", name: "app", after: 0) { sequence } }`,
      `subscription { worktreeChanged(owner: "team", name: "app", after: 0) { sequence } }`,
    ];
    const followed = documents.map((document) => collect(client, document, {}));
    const overview = collect(client, "subscription { overviewChanged { at } }", {});
    const itself = collect<{ workerEvents: { status?: string } }>(
      client,
      `subscription { workerEvents(id: "${leaver.name}", after: 0) { sequence ... on WorkerStatusEvent { status } } }`,
      {},
    );
    const streamed = await factory.fetch("/graphql", {
      method: "POST",
      headers: {
        authorization: `Bearer ${leaver.token}`,
        accept: "text/event-stream",
        "content-type": "application/json",
      },
      body: JSON.stringify({ query: documents[0] }),
    });
    await Promise.all([...followed, itself].map((subscription) => subscription.first(1)));
    const alive = `{ workerSession(id: "${leaver.name}") { name } }`;
    expect(await factory.codes(alive, {}, leaver.token)).toEqual([]);

    await leaver.release();
    await untilEnded(factory, leaver.name);
    expect(await factory.codes(alive, {}, leaver.token)).toEqual(["UNAUTHENTICATED"]);
    await expect(collect(client, alive, {}).completed).rejects.toMatchObject({
      codes: ["UNAUTHENTICATED"],
    });
    const fresh = factory.subscribe(documents[0] ?? "", {}, leaver.token);
    await expect(fresh.completed).rejects.toMatchObject({ code: 4403 });

    await Promise.all([...followed, overview, itself].map(({ completed }) => completed));
    expect(itself.messages.at(-1)?.workerEvents.status).toBe("SUCCEEDED");
    // Its body ends.
    expect(await streamed.text()).toContain("event: complete");
    await client.dispose();

    // Its child works on.
    const going = `{ workerSession(id: "${orphan.name}") { status } }`;
    expect(await factory.query(going)).toEqual({ workerSession: { status: "RUNNING" } });
    await orphan.release();
    await untilEnded(factory, orphan.name);
    await Promise.all([leaver.dispose(), orphan.dispose()]);
  });
});
