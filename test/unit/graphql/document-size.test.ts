import { expect, test } from "@jest/globals";
import { getIntrospectionQuery, parse } from "graphql";
import { findSizeFault } from "../../../src/graphql/document-size.ts";

function repeat(count: number, make: (index: number) => string): string {
  return Array.from({ length: count }, (_, index) => make(index)).join(" ");
}

function codeOf(document: string): unknown {
  return findSizeFault(parse(document))?.extensions["code"];
}

test("documents as clients send them are small enough", () => {
  for (const document of [
    "{ a b c }",
    getIntrospectionQuery({ descriptions: true, oneOf: true }),
    `{ ${repeat(1_000, (index) => `a${String(index)}: __typename`)} }`,
    `{ ...F ...F a { ...G } } fragment F on Query { a { b ...G } } fragment G on A { b c }`,
    `mutation { ${repeat(50, (index) => `a${String(index)}: dispatch(task: "x") { worker { name } }`)} }`,
    "{ ...Missing } fragment A on Query { ...B } fragment B on Query { ...A a { ...A } }",
  ]) {
    expect([document.slice(0, 80), codeOf(document)]).toEqual([document.slice(0, 80), undefined]);
  }
});

test("one field many times, in whatever way, would be compared with itself", () => {
  const argument = `(text: "${"x".repeat(20_000)}")`;
  const fields = repeat(1_000, () => "a");
  for (const document of [
    `{ ${fields} }`,
    `{ ${repeat(40, () => `a${argument}`)} }`,
    `{ ${repeat(500, () => "x: a")} ${repeat(500, () => "... on Query { x: a }")} }`,
    `{ a { ${repeat(250, () => "b")} } ...F ...G ...H } ${["F", "G", "H"]
      .map((name) => `fragment ${name} on Query { a { ${repeat(250, () => "b")} } }`)
      .join(" ")}`,
    // Those of two fragments are compared one by one, also where they are the same.
    `{ ${repeat(190, (index) => `...F${String(index)}`)} } ${repeat(190, (index) => `fragment F${String(index)} on Query { ${repeat(10, (name) => `a${String(name)}: b`)} }`)}`,
    `fragment Unused on Query { ${fields} } { a }`,
    `query A { a } query B { ${fields} }`,
  ]) {
    expect([document.slice(0, 80), codeOf(document)]).toEqual([
      document.slice(0, 80),
      "LIMIT_EXCEEDED",
    ]);
  }
});

test("a list or an input object of many values is too large", () => {
  const values = repeat(101, (index) => `f${String(index)}: 1`);
  expect(codeOf(`{ a(b: [${repeat(101, String)}]) }`)).toBe("BAD_INPUT");
  expect(codeOf(`{ a(b: { c: { ${values} } }) }`)).toBe("BAD_INPUT");
  expect(codeOf(`{ a(b: { ${repeat(100, (index) => `f${String(index)}: 1`)} }) }`)).toBeUndefined();
});

test("many fields, objects, operations or fragments are too many", () => {
  for (const document of [
    `{ ${repeat(3_001, (index) => `a${String(index)}`)} }`,
    `{ ${repeat(201, (index) => `a${String(index)}: a { b }`)} }`,
    `{ ${repeat(20, (index) => `a${String(index)} { ${repeat(10, (inside) => `b${String(inside)} { c }`)} }`)} }`,
    `{ ...F0 } ${repeat(201, (index) => `fragment F${String(index)} on Query { a }`)}`,
    `{ a { ...F0 } } ${repeat(20, (index) => `fragment F${String(index)} on A { x { ...F${String(index + 1)} } y { ...F${String(index + 1)} } }`)} fragment F20 on A { b }`,
  ]) {
    expect([document.slice(0, 80), codeOf(document)]).toEqual([
      document.slice(0, 80),
      "LIMIT_EXCEEDED",
    ]);
  }
});

test("a list of more than 100 values is refused where it is written, also as a default", () => {
  const list = `[${repeat(101, () => "1")}]`;
  for (const document of [
    `{ a(list: ${list}) }`,
    `{ a(input: { inside: [[${list}]] }) }`,
    `query ($list: [Int] = ${list}) { a(list: $list) }`,
    `{ a @include(if: ${list}) }`,
  ]) {
    expect(codeOf(document)).toBe("BAD_INPUT");
  }
  expect(codeOf(`{ a(list: [${repeat(100, () => "1")}]) }`)).toBeUndefined();
});
