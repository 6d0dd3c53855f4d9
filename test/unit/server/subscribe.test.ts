import { describe, expect, test } from "@jest/globals";
import { buildSchema, parse, type ExecutionResult } from "graphql";
import { subscribe } from "../../../src/server/subscribe.ts";

const schema = buildSchema("type Query { x: Int } type Subscription { count: Int! }");
const document = parse("subscription { count }");
const outage = () => Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" });

/** Follows 1, 2, 3, each shown by `show`. */
async function follow(show: (value: number) => number) {
  async function* source() {
    for (const value of [1, 2, 3]) yield { count: () => show(value) };
  }
  const result = await subscribe(
    { schema, document, subscribeFieldResolver: source },
    new AbortController().signal,
  );
  if (!(Symbol.asyncIterator in result)) throw new Error("refused");
  const shown: ExecutionResult[] = [];
  for await (const one of result) shown.push(one);
  return shown;
}

describe("an event", () => {
  test("whose fields met an outage is resolved again, and not lost", async () => {
    let failures = 2;
    const shown = await follow((value) => {
      if (value === 2 && (failures -= 1) >= 0) throw outage();
      return value;
    });
    expect(shown.map(({ data }) => data?.["count"])).toEqual([1, 2, 3]);
    expect(failures).toBe(-1);
  });

  test("that fails otherwise is told as it is, once", async () => {
    let asked = 0;
    const shown = await follow((value) => {
      asked += 1;
      if (value === 2) throw new Error("broken");
      return value;
    });
    expect(shown.map(({ errors }) => errors?.[0]?.message)).toEqual([
      undefined,
      "broken",
      undefined,
    ]);
    expect(asked).toBe(3);
  });
});

test("a document that can't be subscribed to is refused", async () => {
  const query = parse("subscription { count }  query Other { x }");
  const result = await subscribe({ schema, document: query }, new AbortController().signal);
  expect(result).toHaveProperty("errors");
});
