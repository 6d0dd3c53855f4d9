import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { getIntrospectionQuery } from "graphql";
import type { Client } from "graphql-ws";
import pg from "pg";
import { collect, SubscriptionRefused } from "../support/collect.ts";
import { startFactory, type FactoryServer, type Variables } from "../support/factory.ts";
import { openWebSocket } from "../support/web-socket.ts";

let factory: FactoryServer;
let client: Client;

beforeAll(async () => {
  factory = await startFactory();
  client = openWebSocket(factory, { lazy: false });
});

afterAll(async () => {
  await client.dispose();
  await factory.dispose();
});

/** The codes with which a document is refused over HTTP; fails where any of it was executed. */
async function refusedOverHttp(document: string, variables: Variables = {}): Promise<string[]> {
  const answer = await factory.send(document, variables);
  expect(answer).not.toHaveProperty("data");
  return (answer.errors ?? []).map(({ extensions }) => extensions.code);
}

/** The same over WebSocket, where an error message instead of a result means that nothing was executed. */
async function refusedOverWebSocket(
  document: string,
  variables: Variables = {},
): Promise<readonly string[]> {
  const operation = collect(client, document, variables);
  const error: unknown = await operation.completed.catch((reason: unknown) => reason);
  expect(operation.messages).toEqual([]);
  if (error instanceof SubscriptionRefused) return error.codes;
  throw error;
}

async function expectRefused(
  document: string,
  code: string,
  variables: Variables = {},
): Promise<void> {
  const codes = [
    ...(await refusedOverHttp(document, variables)),
    ...(await refusedOverWebSocket(document, variables)),
  ];
  expect(codes.length).toBeGreaterThanOrEqual(2);
  expect(new Set(codes)).toEqual(new Set([code]));
}

function repeat(count: number, make: (index: number) => string): string {
  return Array.from({ length: count }, (_, index) => make(index)).join(" ");
}

describe("refused before execution, over HTTP and over WebSocket", () => {
  test("a document that is too deep", async () => {
    const nest = (depth: number): string =>
      depth === 0 ? "name" : `children { nodes { ${nest(depth - 1)} } }`;
    await expectRefused(`{ workerSession(id: "worker-1") { ${nest(7)} } }`, "LIMIT_EXCEEDED");
    expect(await factory.codes(`{ workerSession(id: "worker-1") { ${nest(3)} } }`)).toEqual([]);
  });

  test("too many aliases", async () => {
    const aliases = (count: number, field: string) =>
      `{ ${repeat(count, (index) => `a${String(index)}: ${field}`)} }`;
    await expectRefused(aliases(1_001, "__typename"), "LIMIT_EXCEEDED");
    await expectRefused(aliases(501, `workerSession(id: "worker-1") { id }`), "LIMIT_EXCEEDED");
    expect(await factory.codes(aliases(1_000, "__typename"))).toEqual([]);
  });

  test("what costs too much, spread over nested pages", async () => {
    const document = `{
      repositories(first: 100) { nodes {
        worktrees(first: 100) { nodes { workerSessions(first: 100) { nodes {
          children(first: 100) { nodes { children(first: 100) { nodes { name } } } }
        } } } }
      } }
    }`;
    await expectRefused(document, "LIMIT_EXCEEDED");
  });

  test("what starts a git, or waits, more often than one document may", async () => {
    const aliases = (count: number, field: string) =>
      repeat(count, (index) => `a${String(index)}: ${field}`);
    const worktree = (fields: string) =>
      `{ worktree(owner: "a", name: "b", branch: "c") { ${fields} } }`;
    await expectRefused(worktree(aliases(60, "diff { filesChanged }")), "LIMIT_EXCEEDED");
    await expectRefused(worktree(aliases(600, "changedFiles")), "LIMIT_EXCEEDED");
    await expectRefused(worktree(aliases(600, "commitsAhead")), "LIMIT_EXCEEDED");
    const wait = 'waitForWorkers(parentSession: "p", after: 0, timeoutSeconds: 1) { sequence }';
    await expectRefused(`{ ${aliases(60, wait)} }`, "LIMIT_EXCEEDED");
    expect(await factory.codes(worktree(`${aliases(10, "diff { text }")} changedFiles`))).toEqual(
      [],
    );
    const page = "{ worktrees(first: 100) { nodes { headCommit commitsAhead changedFiles } } }";
    expect(await factory.codes(page)).toEqual([]);
  });

  test("too many directives", async () => {
    await expectRefused(
      `{ __typename ${repeat(101, () => "@skip(if: false)")} }`,
      "BAD_INPUT",
    ).catch(() => undefined);
    const fields = repeat(101, (index) => `a${String(index)}: __typename @skip(if: false)`);
    await expectRefused(`{ ${fields} }`, "LIMIT_EXCEEDED");
  });

  test("too many words", async () => {
    await expectRefused(`{ __typename ${repeat(15_000, () => "__typename")} }`, "BAD_INPUT");
  });

  test("fragments that hold themselves", async () => {
    await expectRefused(
      `{ repositories { nodes { ...A } } } fragment A on Repository { id ...B } fragment B on Repository { id ...A }`,
      "BAD_INPUT",
    );
    await expectRefused(`{ ...Q } fragment Q on Query { ...Q }`, "BAD_INPUT");
  });

  test("fragments that double at each step", async () => {
    const steps = repeat(
      40,
      (index) =>
        `fragment F${String(index)} on WorkerSession {
          a: parentWorker { ...F${String(index + 1)} } b: parentWorker { ...F${String(index + 1)} }
        }`,
    );
    await expectRefused(
      `{ workerSession(id: "worker-1") { ...F0 } } ${steps} fragment F40 on WorkerSession { id }`,
      "LIMIT_EXCEEDED",
    );
  });

  test("fragments side by side that double without getting deeper", async () => {
    const steps = repeat(
      30,
      (index) =>
        `fragment F${String(index)} on Query { ...F${String(index + 1)} ...G${String(index + 1)} }
         fragment G${String(index)} on Query { ...F${String(index + 1)} ...G${String(index + 1)} }`,
    );
    const ends = `fragment F30 on Query { __typename } fragment G30 on Query { __typename }`;
    await expectRefused(`{ ...F0 ...G0 } ${steps} ${ends}`, "LIMIT_EXCEEDED");
  });

  test("introspection that goes in circles, or asks for the same many times", async () => {
    const nest = (depth: number): string =>
      depth === 0 ? "name" : `fields { type { ${nest(depth - 1)} } }`;
    await expectRefused(`{ __schema { types { ${nest(6)} } } }`, "BAD_INPUT");
    const types = repeat(
      30,
      (index) => `a${String(index)}: types { fields { args { name } type { name } } }`,
    );
    await expectRefused(`{ __schema { ${types} } }`, "LIMIT_EXCEEDED");
    const schemas = repeat(30, (index) => `a${String(index)}: __schema { types { name } }`);
    await expectRefused(`{ ${schemas} }`, "LIMIT_EXCEEDED");
  });

  test("what is nested too deeply for any parser", async () => {
    const deep = 7_000;
    await expectRefused(`${"{ a ".repeat(deep)}${"}".repeat(deep)}`, "LIMIT_EXCEEDED");
    const list = `${"[".repeat(deep)}${"]".repeat(deep)}`;
    await expectRefused(`{ repositories(status: ${list}) { totalCount } }`, "LIMIT_EXCEEDED");
  });

  test("a mutation that is too broad does nothing", async () => {
    const mutations = repeat(
      400,
      (index) =>
        `a${String(index)}: cloneRepository(input: {owner: "o", name: "n${String(index)}", url: "http://127.0.0.1:1/o/n.git"}) { repository { id } created }`,
    );
    await expectRefused(`mutation { ${mutations} }`, "LIMIT_EXCEEDED");
    expect(await factory.query("{ repositories { totalCount } }")).toEqual({
      repositories: { totalCount: 0 },
    });
  });

  test("a limit can't be passed by under another operation's name", async () => {
    const large = repeat(1_001, (index) => `a${String(index)}: __typename`);
    const query = `query Small { __typename } query Large { ${large} }`;
    const ask = async (operationName: string): Promise<unknown> => {
      const response = await factory.fetch("/graphql", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ query, operationName }),
      });
      return response.json();
    };
    expect(await ask("Small")).toEqual({ data: { __typename: "Query" } });
    const refused = { errors: [{ extensions: { code: "LIMIT_EXCEEDED" } }] };
    expect(await ask("Large")).toMatchObject(refused);
  });

  test("nor by other variables than those with which it was allowed", async () => {
    const page = `query ($first: Int, $after: String) {
      repositories(first: $first, after: $after) { nodes { worktrees(first: $first) { nodes {
        workerSessions(first: $first) { nodes { name status branch } }
      } } } }
    }`;
    expect(await factory.codes(page, { first: 3 })).toEqual([]);
    await expectRefused(page, "LIMIT_EXCEEDED", { first: 100 });
    await expectRefused(page, "BAD_INPUT", { first: 3, after: "nonsense" });

    const skipping = `query ($all: Boolean!) { ${repeat(1_001, (index) => `a${String(index)}: __typename`)} @include(if: $all) }`;
    await expectRefused(skipping, "LIMIT_EXCEEDED", { all: true });
  });

  test("lists of more values than there can be, also where each of them is right", async () => {
    const document =
      "query ($names: [RepositoryStatus!]) { repositories(status: $names) { totalCount } }";
    for (const [length, value] of [
      [500_000, 1],
      [300_000, "SYNCED"],
      [5_000, "SYNCED"],
      [101, "SYNCED"],
    ] as const) {
      const names = Array.from({ length }, () => value);
      await expectRefused(document, "BAD_INPUT", { names });
    }
    const inline = repeat(101, () => "SYNCED");
    await expectRefused(`{ repositories(status: [${inline}]) { totalCount } }`, "BAD_INPUT");
    // What is given twice is asked for once.
    const twice = Array.from({ length: 100 }, () => "SYNCED");
    expect(await factory.codes(document, { names: twice })).toEqual([]);
  });

  test("one field so often that comparing it with itself takes long", async () => {
    const same = repeat(900, () => `workerSession(id: "worker-1") { id }`);
    await expectRefused(`{ ${same} }`, "LIMIT_EXCEEDED");
    await expectRefused(`{ ${repeat(14_000, () => "__typename")} }`, "LIMIT_EXCEEDED");
  });

  test("faults of a large value, without the value in the words on each", async () => {
    const task = "x".repeat(100_000);
    const names = Array.from({ length: 100 }, (_, index) => `f${String(index)}`);
    const fields = names.map((name) => `${name}: 1`).join(" ");
    const input = { task, ...Object.fromEntries(names.map((name) => [name, 1])) };
    for (const [document, variables] of [
      [`mutation { dispatchWorker(input: { task: "${task}" ${fields} }) { created } }`, {}],
      [
        "mutation ($i: DispatchWorkerInput!) { dispatchWorker(input: $i) { created } }",
        { i: input },
      ],
    ] as const) {
      const answer = await factory.send(document, variables);
      expect(answer.errors?.[0]?.extensions.code).toBe("BAD_INPUT");
      expect(JSON.stringify(answer).length).toBeLessThan(50_000);
    }
  });

  test("a document of more than a million characters", async () => {
    await expectRefused(`{ __typename ${" ".repeat(1_000_000)} }`, "BAD_INPUT");
  });

  test("a list of documents in one request", async () => {
    const response = await factory.fetch("/graphql", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(Array.from({ length: 3 }, () => ({ query: "{ __typename }" }))),
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      errors: [{ extensions: { code: "BAD_INPUT" } }],
    });
  });
});

describe("what JSON would make of a few megabytes", () => {
  const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;
  const many = `[${"1,".repeat(1_000_000)}1]`;

  test.each([
    ["/graphql", (json: string) => `{"query": "{ __typename }", "variables": {"a": ${json}}}`],
    ["/graphql", (json: string) => `{"query": "{ __typename }", "extensions": {"a": ${json}}}`],
    ["/graphql", (json: string) => json],
    ["/api/agents/sessions/dispatch-worker", (json: string) => `{"task": ${json}}`],
    ["/mcp", (json: string) => `{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": ${json}}`],
  ])("is refused at %s before it is made", async (path, bodyOf) => {
    for (const json of [nested(1_000_000), many]) {
      const response = await factory.fetch(path, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: bodyOf(json),
      });
      expect(response.status).toBe(400);
      expect(await response.text()).toMatch(/nested deeper than 64|more than 20000 values/);
    }
  });

  test("is refused in a form, in an address and over WebSocket too", async () => {
    const query = "{ __typename }";
    const form = new URLSearchParams({ query, variables: `{"a": ${nested(1_000)}}` });
    const posted = await factory.fetch("/graphql", { method: "POST", body: form });
    const got = await factory.fetch(`/graphql?${String(form)}`, {
      headers: { accept: "application/json" },
    });
    for (const response of [posted, got]) {
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({
        errors: [{ extensions: { code: "BAD_INPUT" } }],
      });
    }
    const variables = { a: JSON.parse(nested(65)) as unknown };
    expect(await refusedOverWebSocket(query, variables)).toEqual(["BAD_INPUT"]);
  });
});

describe("introspection", () => {
  test("is there for tools, whole", async () => {
    const document = getIntrospectionQuery({
      descriptions: true,
      specifiedByUrl: true,
      directiveIsRepeatable: true,
      schemaDescription: true,
      inputValueDeprecation: true,
    });
    expect(await factory.codes(document)).toEqual([]);
  });

  test("can be switched off, over HTTP and over WebSocket", async () => {
    const closed = await startFactory({ env: { FACTORY_INTROSPECTION: "off" } });
    const closedClient = openWebSocket(closed, { lazy: false });
    try {
      for (const document of [getIntrospectionQuery(), `{ __type(name: "Query") { name } }`]) {
        expect(new Set(await closed.codes(document))).toEqual(new Set(["BAD_INPUT"]));
        const operation = collect(closedClient, document, {});
        await expect(operation.completed).rejects.toBeInstanceOf(SubscriptionRefused);
      }
      // No other way tells of the schema either.
      const { errors } = await closed.send("{ repositorie { id } }");
      expect(JSON.stringify(errors)).not.toContain("repositories");
      expect(await closed.query("{ __typename }")).toEqual({ __typename: "Query" });
    } finally {
      await closedClient.dispose();
      await closed.dispose();
    }
  });
});

describe("pages", () => {
  const count = 120;

  beforeAll(async () => {
    const database = new pg.Client({ connectionString: factory.databaseUrl });
    await database.connect();
    try {
      await database.query(
        `INSERT INTO "Stream" (id, key)
         SELECT gen_random_uuid(), 'parent:page-' || to_char(i, 'FM000') FROM generate_series(1, $1) AS i`,
        [count],
      );
      await database.query(
        `INSERT INTO "ParentSession" (id, name, "streamId")
         SELECT md5(key)::uuid, substr(key, 8), id FROM "Stream" WHERE key LIKE 'parent:page-%'`,
      );
    } finally {
      await database.end();
    }
  });

  interface Page {
    parentSessions: {
      nodes: { id: string }[];
      edges: { cursor: string }[];
      pageInfo: {
        hasNextPage: boolean;
        hasPreviousPage: boolean;
        endCursor: string | null;
        startCursor: string | null;
      };
      totalCount: number;
    };
  }

  async function page(args: string): Promise<Page["parentSessions"]> {
    const { parentSessions } = await factory.query<Page>(
      `{ parentSessions${args} {
        nodes { id } edges { cursor } totalCount
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
      } }`,
    );
    return parentSessions;
  }

  test("hold 50 by default and 100 at most, and say how many there are", async () => {
    expect(await page("")).toMatchObject({
      nodes: { length: 50 },
      totalCount: count,
      pageInfo: { hasNextPage: true, hasPreviousPage: false },
    });
    expect(await page("(first: 1000)")).toMatchObject({ nodes: { length: 100 } });
    expect(await page("(last: 1000)")).toMatchObject({ nodes: { length: 100 } });
    expect(await page("(first: 0)")).toMatchObject({ nodes: { length: 0 }, totalCount: count });
  });

  test("lead from one to the next and back, each entry once", async () => {
    const seen: string[] = [];
    let after: string | null = null;
    let hasNextPage = true;
    while (hasNextPage) {
      const args: string = after === null ? "(first: 50)" : `(first: 50, after: "${after}")`;
      const { nodes, pageInfo } = await page(args);
      seen.push(...nodes.map(({ id }) => id));
      ({ hasNextPage, endCursor: after } = pageInfo);
    }
    expect(seen.length).toBe(count);
    expect(new Set(seen).size).toBe(count);

    const last = await page("(last: 30)");
    expect(last.nodes.map(({ id }) => id)).toEqual(seen.slice(-30));
    const before = await page(`(last: 30, before: "${last.pageInfo.startCursor ?? ""}")`);
    expect(before.nodes.map(({ id }) => id)).toEqual(seen.slice(-60, -30));
    expect(before.pageInfo.hasNextPage).toBe(true);
  });

  test("of a negative size, from a made-up cursor, or of a number that is none are BAD_INPUT", async () => {
    const lists = ["repositories", "worktrees", "workerSessions", "parentSessions"];
    for (const list of lists) {
      for (const args of [
        "first: -1",
        "last: -1",
        `after: "nonsense"`,
        `before: "nonsense"`,
        `after: ""`,
        `after: "R1BDOlM6JzsgRFJPUCBUQUJMRQ=="`,
        `after: "R1BDOk46OTk5OTk5OTk5OTk5OTk5OTk5"`,
        "first: 1.5",
        `first: "1"`,
        "first: 3000000000",
      ]) {
        expect([list, args, await factory.codes(`{ ${list}(${args}) { nodes { id } } }`)]).toEqual([
          list,
          args,
          ["BAD_INPUT"],
        ]);
      }
    }
  });
});
