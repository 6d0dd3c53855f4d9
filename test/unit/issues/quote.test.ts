import { expect, test } from "@jest/globals";
import type { Issue, IssueComment } from "../../../src/issues/issue.ts";
import { describeIssue } from "../../../src/issues/quote.ts";

const total = 256 * 1024;
const issue: Issue = {
  title: "It breaks",
  body: "Always.\r\nSince Monday.",
  state: "open",
  labels: ["bug", "urgent"],
  comments: [{ author: "ada", at: "2026-01-02T03:04:05Z", body: "Here too." }],
  earlierComments: 0,
};

test("an issue is told with its title, state, labels, body and comments", () => {
  expect(describeIssue(issue, { total })).toBe(`Title: It breaks
State: open
Labels: bug, urgent

Always.
Since Monday.

Comment by ada, 2026-01-02T03:04:05Z:
Here too.`);
});

test("what is missing is told", () => {
  const text = describeIssue(
    { ...issue, body: "", labels: [], comments: [], earlierComments: 3, commentsFault: "no time" },
    { total },
  );
  expect(text).toContain("(no description)");
  expect(text).toContain("[3 earlier comments left out]");
  expect(text).toContain("[its comments could not be read: no time]");
  expect(text).not.toContain("Labels");
});

test("a long body is cut at a whole character, with a marker", () => {
  const text = describeIssue({ ...issue, body: "é".repeat(100_000), comments: [] }, { total });
  expect(Buffer.byteLength(text)).toBeLessThan(66 * 1024);
  expect(text).toMatch(/é \[cut: 200000 bytes in all\]$/);
});

test("within a bound the latest comments are kept", () => {
  const comments = Array.from({ length: 50 }, (_, index): IssueComment => ({
    author: "ada",
    at: "",
    body: `${String(index)}:${"x".repeat(9_000)}`,
  }));
  const text = describeIssue({ ...issue, comments, earlierComments: 5 }, { total });
  expect(Buffer.byteLength(text)).toBeLessThanOrEqual(total);
  expect(text).toContain("49:x");
  expect(text).not.toContain("\n0:x");
  expect(text).toMatch(/\[\d+ earlier comments left out\]/);
});

test.each([1_000, 20_000])("all stays within %i bytes", (bound) => {
  const long = "long ".repeat(50_000);
  const comments = [{ author: long, at: long, body: long }];
  const text = describeIssue({ ...issue, title: "t", body: long, comments }, { total: bound });
  expect(Buffer.byteLength(text)).toBeLessThanOrEqual(bound);
});

test("control characters and halves of surrogate pairs are replaced, and a title is one line", () => {
  const text = describeIssue(
    { ...issue, title: "a\nState: closed\u0000", body: "b\u001b[2J\ud800\tc\u0000" },
    { total },
  );
  expect(text).toContain("Title: a State: closed\n");
  expect(text).toContain("b [2J\ufffd\tc");
  expect(text.isWellFormed()).toBe(true);
});
