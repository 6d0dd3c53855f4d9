import { expect, test } from "@jest/globals";
import {
  childTrace,
  currentTrace,
  newTrace,
  readTraceparent,
  withTrace,
} from "../../src/trace-context.ts";

const [trace, span] = ["4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"];

test("a traceparent is taken as it is", () => {
  const header = `00-${trace}-${span}-01`;
  expect(readTraceparent(header)).toBe(header);
});

test("one of a later version is taken as far as it is known", () => {
  expect(readTraceparent(`cc-${trace}-${span}-01-what-the-future-brings`)).toBe(
    `00-${trace}-${span}-01`,
  );
});

test.each([
  undefined,
  "",
  `00-${trace}-${span}`,
  `00-${trace}-${span}-01-more`,
  `ff-${trace}-${span}-01`,
  `00-${trace.toUpperCase()}-${span}-01`,
  `00-${"0".repeat(32)}-${span}-01`,
  `00-${trace}-${"0".repeat(16)}-01`,
  `00-${trace}-${span}-01\r\n`,
  ` 00-${trace}-${span}-01`,
])("%j is none", (header) => {
  expect(readTraceparent(header)).toBeUndefined();
});

test("a child keeps the trace and its flags; of a name, every process comes to the same span", () => {
  const parent = `00-${trace}-${span}-00`;
  expect(childTrace(parent)).toMatch(new RegExp(`^00-${trace}-[0-9a-f]{16}-00$`));
  expect(childTrace(parent)).not.toBe(childTrace(parent));
  expect(childTrace(parent, "session")).toBe(childTrace(parent, "session"));
  expect(childTrace(parent, "session")).not.toBe(childTrace(parent, "agent"));
});

test("what is done within a trace belongs to it, and nothing else does", async () => {
  const made = newTrace();
  const within = withTrace(made, async () => {
    await Promise.resolve();
    return currentTrace();
  });
  expect(currentTrace()).toBeUndefined();
  expect(await within).toBe(made);
  expect(readTraceparent(made)).toBe(made);
});
