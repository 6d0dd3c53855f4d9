// The tools ask the API as it is: what they send fits the schema, and what it takes they take too.
import { expect, test } from "@jest/globals";
import {
  getNamedType,
  getVariableValues,
  GraphQLInputObjectType,
  Kind,
  parse,
  validate,
} from "graphql";
import { schema } from "../../../src/graphql/schema.ts";
import { toolsFor } from "../../../src/mcp/tools.ts";
import { connect, createEndpoint, data, operator, worker } from "../../support/mcp.ts";

const place = { owner: "acme", name: "app" };
/** Everything that may be given. */
const examples: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  report: { message: "done", outcome: "SUCCEEDED" },
  dispatch_worker: {
    task: "t",
    parentSession: "p",
    repository: place,
    issue: "42",
    branch: "b",
    base: "main",
    agent: "shell",
    priority: 1,
    timeoutSeconds: 5,
    cleanup: "ALWAYS",
    retries: 1,
    permissions: "ASK",
    push: true,
    agentPush: true,
    maxCostUsd: 1.5,
    maxTurns: 3,
    maxMemoryMib: 512,
    maxCpus: 0.5,
    maxProcesses: 100,
    sandbox: "REQUIRED",
    network: { mode: "NONE", allow: ["example.com"] },
    idempotencyKey: "k",
  },
  wait_for_workers: { parentSession: "p", after: 1, timeoutSeconds: 1 },
  list_workers: { parentSession: "p", status: ["QUEUED", "LOST"], first: 5, after: "c" },
  get_worker: { id: "worker-1", diff: true, output: true },
  send_message: { id: "worker-1", text: "t", idempotencyKey: "k" },
  answer_permission: { id: "worker-1", requestId: "r", optionId: "o" },
  cancel_worker: { id: "worker-1", reason: "r", children: true },
  clone_repository: { ...place, url: "https://git.test/acme/app.git" },
  sync_repository: place,
  create_worktree: { ...place, branch: "b", base: "main" },
  delete_worktree: { ...place, branch: "b", runner: "r", force: true, deleteBranch: true },
};

test.each([operator, worker])("what the tools of a $kind ask fits the schema", async (viewer) => {
  for (const { name } of toolsFor(viewer)) {
    const faults: string[] = [];
    const { fetch, asked } = createEndpoint(viewer, ({ document, variables }) => {
      const parsed = parse(document);
      faults.push(...validate(schema, parsed).map(({ message }) => message));
      for (const definition of parsed.definitions) {
        if (definition.kind !== Kind.OPERATION_DEFINITION) continue;
        const { variableDefinitions = [] } = definition;
        const { errors } = getVariableValues(schema, variableDefinitions, { ...variables });
        faults.push(...(errors ?? []).map(({ message }) => message));
      }
      return data("nothing", null);
    });
    const client = await connect("http://factory.test", { fetch });
    await client.callTool({ name, arguments: { ...examples[name] } });
    expect([name, faults]).toEqual([name, []]);
    expect(asked.length).toBeGreaterThan(0);
    await client.close();
  }
});

test.each([
  ["dispatch_worker", "DispatchWorkerInput"],
  ["cancel_worker", "CancelWorkerInput"],
  ["report", "ReportWorkerInput"],
  ["clone_repository", "CloneRepositoryInput"],
  ["create_worktree", "CreateWorktreeInput"],
  ["delete_worktree", "DeleteWorktreeInput"],
])("%s takes all that %s does", (name, typeName) => {
  const type = getNamedType(schema.getType(typeName));
  if (!(type instanceof GraphQLInputObjectType)) throw new Error(`there is no ${typeName}`);
  const tool = [operator, worker]
    .flatMap((viewer) => toolsFor(viewer))
    .find((known) => known.name === name);
  const { properties } = tool!.input["~standard"].jsonSchema.input({ target: "draft-2020-12" });
  expect(Object.keys(properties as object).toSorted()).toEqual(
    Object.keys(type.getFields()).toSorted(),
  );
  expect(Object.keys(examples[name] ?? {}).toSorted()).toEqual(
    Object.keys(type.getFields()).toSorted(),
  );
});
