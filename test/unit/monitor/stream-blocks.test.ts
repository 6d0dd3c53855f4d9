import { describe, expect, test } from "@jest/globals";
import { linesOf, type Block } from "../../../src/monitor/pages/worker/stream/blocks.ts";
import { append, createBuilder, limit } from "../../../src/monitor/pages/worker/stream/builder.ts";
import { prepend } from "../../../src/monitor/pages/worker/stream/join.ts";
import type { WorkerEvent } from "../../../src/monitor/pages/worker/stream/operations.ts";

const at = "2026-01-31T12:00:00.000Z";

type Part = WorkerEvent extends infer Event
  ? Event extends WorkerEvent
    ? Omit<Event, "sequence" | "at">
    : never
  : never;

const numbered = (parts: readonly Part[]): WorkerEvent[] =>
  parts.map((part, index) => ({ ...part, sequence: index + 1, at }));

const output = (text: string, channel: "STDOUT" | "STDERR" = "STDOUT"): Part => ({
  __typename: "WorkerOutputEvent",
  channel,
  text,
});
const said = (text: string, role: "USER" | "AGENT" | "THOUGHT" = "AGENT"): Part => ({
  __typename: "WorkerMessageEvent",
  role,
  text,
});
const called = (
  toolCallId: string,
  toolCallStatus: "RUNNING" | "COMPLETED",
  content: string | null = null,
  kind = "execute",
): Part => ({
  __typename: "WorkerToolCallEvent",
  toolCallId,
  title: `call ${toolCallId}`,
  kind,
  toolCallStatus,
  content,
});
const asked = (answer: string | null): Part => ({
  __typename: "WorkerPermissionEvent",
  request: {
    id: "1",
    title: "git push",
    command: null,
    kind: "execute",
    locations: [],
    diff: null,
    options: [{ id: "yes", name: "Yes", kind: "allow_once" }],
    answer,
  },
});

function build(events: readonly WorkerEvent[]) {
  const builder = createBuilder();
  for (const event of events) append(builder, event);
  return builder;
}

/** What each channel printed, line by line, and how each line looks. */
function printed(blocks: readonly Block[], channel: "STDOUT" | "STDERR") {
  return blocks.flatMap((block) =>
    block.type === "output" && block.channel === channel ? block.lines : [],
  );
}

function textOf({ list }: { readonly list: { readonly blocks: readonly Block[] } }): string[] {
  return list.blocks.flatMap(linesOf);
}

describe("output", () => {
  test("is one line where it comes in pieces, also around another channel's", () => {
    const { list } = build(
      numbered([output("one\ntw"), output("err\n", "STDERR"), output("o\nth"), output("ree\n")]),
    );
    expect(list.blocks.map(linesOf)).toEqual([["one", "two"], ["err"], ["three"]]);
  });

  test("keeps of a line that is written over what was written last", () => {
    expect(
      textOf(build(numbered([output("10%\r20%"), output("\r30%\r"), output("\nend\r\n")]))),
    ).toEqual(["30%", "end"]);
  });

  test("of a megabyte in one line is many short ones, with nothing lost", () => {
    const long = "0123456789".repeat(100_000);
    const pieces = Array.from({ length: 16 }, (_, index) =>
      long.slice(index * 62_500, (index + 1) * 62_500),
    );
    const { list } = build(numbered(pieces.map((piece) => output(piece))));
    const lines = list.blocks.flatMap(linesOf);
    expect(lines.join("")).toBe(long);
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(2_000);
    expect(Math.max(...list.blocks.map((block) => linesOf(block).length))).toBeLessThanOrEqual(20);
  });

  test("carries a colour over the ends of lines and pieces", () => {
    const { list } = build(
      numbered([output("\u001b[31mone\ntwo"), output("\nthree\u001b[0m\nfour")]),
    );
    expect(printed(list.blocks, "STDOUT").map(({ look }) => look.colour)).toEqual([
      undefined,
      { kind: "named", index: 1 },
      { kind: "named", index: 1 },
      undefined,
    ]);
  });
});

test("pieces of a message are one, and another message begins a paragraph", () => {
  const { list } = build(numbered([said("I found "), said("it."), said("Now the tests.")]));
  expect(list.blocks.map(linesOf)).toEqual([["I found it.", "", "Now the tests."]]);
});

test("a tool's call is one block, which tells how it stands and all that came of it", () => {
  const { list } = build(
    numbered([
      called("a", "RUNNING"),
      called("b", "RUNNING", "b says"),
      called("a", "COMPLETED", "a is done\n"),
    ]),
  );
  expect(list.blocks).toMatchObject([
    { toolCallId: "a", status: "COMPLETED", contents: ["a is done"] },
    { toolCallId: "b", status: "RUNNING", contents: ["b says"] },
  ]);
});

test("a plan stands where it was told, and changes in place while nothing else happens", () => {
  const plan = (content: string) => called("plan", "RUNNING", content, "plan");
  const { list } = build(numbered([plan("- [ ] a"), plan("- [x] a"), said("on"), plan("- [x] b")]));
  expect(list.blocks.map(linesOf)).toEqual([
    ["call plan", "- [x] a"],
    ["on"],
    ["call plan", "- [x] b"],
  ]);
});

test("a hole in the numbering is said", () => {
  const [first, , third] = numbered([said("a"), said("b"), said("c")]);
  const { list } = build([first!, third!]);
  expect(textOf({ list })[1]).toBe("The events 2 to 2 are no longer kept by the server.");
});

test("beyond the limit the oldest blocks go, and what was known of them", () => {
  const builder = build(
    numbered([
      called("a", "RUNNING"),
      ...Array.from({ length: 100 }, () => output("x\n".repeat(50))),
    ]),
  );
  expect(limit(builder, 1_000, 1_000_000)).toBe(true);
  expect(builder.list.lines).toBeLessThanOrEqual(1_000);
  expect(builder.list.lines).toBeGreaterThan(900);
  expect(builder.calls.size).toBe(0);
  expect(limit(builder, 1_000, 1_000_000)).toBe(false);
});

describe("earlier events that come later", () => {
  const events = numbered([
    said("do it", "USER"),
    output("\u001b[32mgreen and no end of l"),
    output("oud\n", "STDERR"),
    output("ine\nstill green\n"),
    said("I be"),
    said("gin."),
    called("a", "RUNNING"),
    asked(null),
    output("stdout \u001b[1mbold\nmore"),
    output("err\u001b[31m", "STDERR"),
    called("a", "RUNNING", "do"),
    called("a", "COMPLETED", "done"),
    asked("yes"),
    output(" of it\n\u001b[0mplain\r\n"),
    output("red\nred too", "STDERR"),
    said("The end."),
  ]);

  test.each(events.map((_, cut) => cut))("make the same stream, cut after %i", (cut) => {
    const whole = build(events);
    const later = build(events.slice(cut));
    prepend(later, events.slice(0, cut));
    for (const channel of ["STDOUT", "STDERR"] as const) {
      expect(printed(later.list.blocks, channel)).toEqual(printed(whole.list.blocks, channel));
    }
    const others = ({ list }: typeof whole) =>
      list.blocks
        .filter(({ type }) => type !== "output")
        .map((block) => ({ ...block, id: 0, sequence: 0 }));
    expect(others(later)).toEqual(others(whole));
    // And it goes on as if nothing had happened.
    const rest = numbered([
      ...Array.from(events, () => said("")),
      output("!\n"),
      output(" err\n", "STDERR"),
    ]).slice(events.length);
    for (const event of rest) {
      append(later, event);
      append(whole, event);
    }
    for (const channel of ["STDOUT", "STDERR"] as const) {
      expect(printed(later.list.blocks, channel)).toEqual(printed(whole.list.blocks, channel));
    }
  });
});
