import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import {
  BreakingChangeType,
  buildClientSchema,
  buildSchema,
  findSchemaChanges,
  getIntrospectionQuery,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isNonNullType,
  isObjectType,
  lexicographicSortSchema,
  printSchema,
  type GraphQLNamedType,
  type GraphQLSchema,
  type IntrospectionQuery,
} from "graphql";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { queryDatabase } from "../support/inventory.ts";
import { eventually, untilEnded } from "../support/workers.ts";

const root = join(import.meta.dirname, "..", "..");

let git: GitServer;
let factory: FactoryServer;
let served: GraphQLSchema;

beforeAll(async () => {
  [git, factory] = await Promise.all([startGitServer(), startFactory()]);
  const introspection = await factory.query<IntrospectionQuery>(
    getIntrospectionQuery({ specifiedByUrl: true, inputValueDeprecation: true }),
  );
  served = buildClientSchema(introspection);
});

afterAll(async () => {
  await factory.dispose();
  await git.stop();
});

/** Coordinates of all that a reader of the type meets, each with its description. */
function describeAll(type: GraphQLNamedType): [coordinate: string, description: unknown][] {
  const found: [string, unknown][] = [[type.name, type.description]];
  if (isEnumType(type)) {
    for (const value of type.getValues()) {
      found.push([`${type.name}.${value.name}`, value.description]);
    }
  }
  if (isInputObjectType(type)) {
    for (const field of Object.values(type.getFields())) {
      found.push([`${type.name}.${field.name}`, field.description]);
    }
  }
  if (isObjectType(type) || isInterfaceType(type)) {
    for (const field of Object.values(type.getFields())) {
      const coordinate = `${type.name}.${field.name}`;
      found.push([coordinate, field.description]);
      for (const argument of field.args) {
        found.push([`${coordinate}(${argument.name}:)`, argument.description]);
      }
    }
  }
  return found;
}

describe("the schema", () => {
  test("holds all that clients rely on", async () => {
    const text = await readFile(join(root, "test", "fixtures", "contract.graphql"), "utf8");
    const breaking = findSchemaChanges(buildSchema(text), served).filter(
      ({ type }) => type in BreakingChangeType,
    );
    expect(breaking).toEqual([]);
  });

  test("is the one that is printed in schema.graphql", async () => {
    const printed = await readFile(join(root, "schema.graphql"), "utf8");
    expect(`${printSchema(lexicographicSortSchema(served))}\n`).toBe(printed);
  });

  test("describes every type, field, argument and enum value", () => {
    const types = Object.values(served.getTypeMap()).filter(({ name }) => !name.startsWith("__"));
    const bare = types
      .flatMap(describeAll)
      .filter(([, description]) => typeof description !== "string" || description.trim() === "");
    expect(bare).toEqual([]);
    expect(types.length).toBeGreaterThan(50);
  });

  test("has no mutation whose refusal would hide the results of others", () => {
    const mutations = Object.values(served.getMutationType()?.getFields() ?? {});
    expect(mutations.length).toBeGreaterThanOrEqual(9);
    for (const { name, type } of mutations)
      expect([name, isNonNullType(type)]).toEqual([name, false]);
  });
});

test("of three dispatches in one document the refused one is told beside the other two", async () => {
  await git.createRepository("team", "app");
  await factory.query(
    `mutation { cloneRepository(input: {owner: "team", name: "app", url: "${git.url("team", "app")}"}) { created } }`,
  );
  const dispatch = (branch: string) =>
    `dispatchWorker(input: {
      parentSession: "three", task: "true", agent: "shell", branch: "${branch}"
      repository: {owner: "team", name: "app"}
    }) { created worker { name branch } }`;
  interface Payload {
    created: boolean;
    worker: { name: string; branch: string };
  }
  const { data, errors } = await factory.send<Record<"first" | "second" | "third", Payload | null>>(
    `mutation { first: ${dispatch("one")} second: ${dispatch("-two")} third: ${dispatch("three")} }`,
  );
  expect(data).toEqual({
    first: { created: true, worker: { name: "worker-1", branch: "one" } },
    second: null,
    third: { created: true, worker: { name: "worker-2", branch: "three" } },
  });
  expect(errors).toMatchObject([{ path: ["second"], extensions: { code: "BAD_INPUT" } }]);
  expect(errors?.[0]?.message).toContain("branch");
  const ended = await Promise.all(
    ["worker-1", "worker-2"].map((name) => untilEnded(factory, name)),
  );
  expect(ended.map(({ status }) => status)).toEqual(["SUCCEEDED", "SUCCEEDED"]);
});

describe("an error that nobody expected", () => {
  /** A table that the code relies on is away, under the given name. */
  async function withoutTable(table: string, run: () => Promise<void>): Promise<void> {
    await queryDatabase(factory, `ALTER TABLE "${table}" RENAME TO "away"`);
    try {
      await run();
    } finally {
      await queryDatabase(factory, `ALTER TABLE "away" RENAME TO "${table}"`);
    }
  }

  interface Logged {
    readonly level: number;
    readonly id?: string;
    readonly requestId?: string;
    readonly err?: { readonly message: string; readonly stack: string };
  }

  /** Its output comes through a pipe, and later than its answer. */
  async function findLogged(condition: (line: Logged) => boolean): Promise<Logged | undefined> {
    const find = () => factory.log.map((line) => JSON.parse(line) as Logged).find(condition);
    await eventually(() => find() !== undefined);
    return find();
  }

  const leaks = /ParentSession|WorkerSession|prisma|postgres|relation|at .*\.ts|node_modules/i;

  test("is INTERNAL with an id that the log has too, and tells nothing else", async () => {
    await withoutTable("ParentSession", async () => {
      const { data, errors = [] } = await factory.send(
        `{ __typename parentSession(name: "anybody") { id } }`,
      );
      expect(data).toEqual({ __typename: "Query", parentSession: null });
      expect(errors).toMatchObject([{ path: ["parentSession"], extensions: { code: "INTERNAL" } }]);
      const [{ message, extensions } = { message: "", extensions: { code: "" } }] = errors;
      const id = String(extensions["id"]);
      expect(message).toContain(id);
      expect(JSON.stringify({ message, extensions })).not.toMatch(leaks);

      const logged = await findLogged((line) => line.id === id);
      expect(logged).toMatchObject({ level: 50 });
      expect(logged?.err?.message).toContain("ParentSession");
      expect(logged?.err?.stack).toContain("at ");
    });
  });

  test("is the same over WebSocket, for an operation and for a subscription's fields", async () => {
    await withoutTable("ParentSession", async () => {
      const operation = factory.subscribe(`{ parentSession(name: "anybody") { id } }`);
      const error: unknown = await operation.completed.catch((reason: unknown) => reason);
      expect(error).toMatchObject({ codes: ["INTERNAL"] });
      expect(JSON.stringify(error)).not.toMatch(/prisma|relation|node_modules/i);
    });
  });

  test("in the look at a token is INTERNAL too, with the request's id", async () => {
    await withoutTable("WorkerSession", async () => {
      const response = await fetch(`${factory.url}/graphql`, {
        method: "POST",
        headers: { authorization: "Bearer somebody", "content-type": "application/json" },
        body: JSON.stringify({ query: "{ __typename }" }),
      });
      expect(response.status).toBe(500);
      const text = await response.text();
      expect(JSON.parse(text)).toMatchObject({ errors: [{ extensions: { code: "INTERNAL" } }] });
      expect(text).not.toMatch(leaks);
      const requestId = response.headers.get("x-request-id") ?? "";
      expect(text).toContain(requestId);
      expect(await findLogged((line) => line.requestId === requestId)).toMatchObject({ level: 50 });
    });
  });
});
