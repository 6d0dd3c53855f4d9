import { describe, expect, test } from "@jest/globals";
import { parse } from "graphql";
import { variesWithRequest } from "../../../src/graphql/limits.ts";

describe("whether a document that passed may be refused the next time", () => {
  test("a document of one operation, whose variables size nothing, always passes", () => {
    for (const document of [
      "{ __typename }",
      `query ($id: ID!) { workerSession(id: $id) { name } }`,
      `{ repositories(first: 3, after: "x") { nodes { id @include(if: true) } } }`,
    ]) {
      expect(variesWithRequest(parse(document))).toBe(false);
    }
  });

  test("pages, cursors and parts that variables choose, and a choice of operations, may not", () => {
    for (const document of [
      "query ($n: Int) { repositories(first: $n) { nodes { id } } }",
      "query ($n: Int) { repositories(last: $n) { nodes { id } } }",
      "query ($c: String) { repositories(after: $c) { nodes { id } } }",
      "query ($c: String) { repositories(before: $c) { nodes { id } } }",
      "query ($all: Boolean!) { a: __typename @include(if: $all) }",
      "query A { __typename } query B { __typename }",
    ]) {
      expect(variesWithRequest(parse(document))).toBe(true);
    }
  });
});
