import { expect, test } from "@jest/globals";
import { buildSchema, graphql, subscribe, parse, type ExecutionResult } from "graphql";
import { boundAnswers } from "../../../src/graphql/answer-budget.ts";

const schema = boundAnswers(
  buildSchema(`
    type Row { text: String! maybe: String list: [String!]! rows: [Row!]! }
    type Query { rows: [Row!]! }
    type Subscription { row: Row! }
  `),
);

const row = { text: "x", maybe: "y", list: ["a", "b"] };

function rowsOf(count: number, one: object = row): object[] {
  return Array.from({ length: count }, () => one);
}

function ask(source: string, rows: unknown): Promise<ExecutionResult> {
  // The root stands for what resolvers find: each execution has a context of its own, as each request has.
  return graphql({ schema, source, rootValue: { rows }, contextValue: {} });
}

function codesOf({ errors = [] }: ExecutionResult): unknown[] {
  return [...new Set(errors.map(({ extensions }) => extensions["code"]))];
}

test("an answer of as many fields as there may be is whole", async () => {
  const { data, errors } = await ask("{ rows { text maybe } }", rowsOf(37_000));
  expect(errors).toBeUndefined();
  expect(data?.["rows"]).toHaveLength(37_000);
});

test("one of more is refused, however the fields are spread", async () => {
  for (const [source, rows] of [
    ["{ rows { text maybe } }", rowsOf(38_000)],
    ["{ rows { list } }", rowsOf(30_000)],
    ["{ rows { rows { rows { text } } } }", rowsOf(50, { rows: rowsOf(50, { rows: rowsOf(50) }) })],
    ["{ a: rows { text } b: rows { text } }", () => Promise.resolve(rowsOf(40_000))],
  ] as const) {
    const answer = await ask(source, rows);
    expect([source, answer.data, codesOf(answer)]).toEqual([source, null, ["LIMIT_EXCEEDED"]]);
  }
});

test("one of more text is refused", async () => {
  const text = "x".repeat(1024 * 1024);
  const large = { text, maybe: () => Promise.resolve(text), list: [text] };
  expect((await ask("{ rows { text } }", rowsOf(16, large))).errors).toBeUndefined();
  for (const field of ["text", "list"]) {
    const answer = await ask(`{ rows { ${field} } }`, rowsOf(17, large));
    expect([field, codesOf(answer)]).toEqual([field, ["LIMIT_EXCEEDED"]]);
  }
  expect(codesOf(await ask("{ rows { maybe } }", rowsOf(17, large)))).toEqual(["LIMIT_EXCEEDED"]);
});

test("each event of a subscription is an answer of its own", async () => {
  const text = "x".repeat(10 * 1024 * 1024);
  async function* source(): AsyncGenerator<object> {
    await Promise.resolve();
    for (let count = 0; count < 4; count += 1) yield { row: { text } };
  }
  const events = await subscribe({
    schema,
    document: parse("subscription { row { text } }"),
    rootValue: { row: source },
    contextValue: {},
  });
  if (!(Symbol.asyncIterator in events)) throw new Error("it was refused");
  for await (const event of events) expect(event.errors).toBeUndefined();
});
