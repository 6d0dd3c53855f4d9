import { describe, expect, test } from "@jest/globals";
import { FactoryError } from "../../../src/errors.ts";
import { checkCursor } from "../../../src/events/cursor.ts";
import type { StreamPosition } from "../../../src/events/read.ts";

function position(firstSequence: number, lastSequence: number): StreamPosition {
  return { streamId: "x", firstSequence, lastSequence };
}

function refusal(after: number, at: StreamPosition | undefined): FactoryError {
  try {
    checkCursor(after, at);
  } catch (error) {
    if (error instanceof FactoryError) return error;
    throw error;
  }
  throw new Error("it was accepted");
}

describe("where a subscriber starts", () => {
  test.each([
    ["without after: at the end", undefined, position(1, 7), 7],
    ["without after, where nothing was ever told", undefined, undefined, 0],
    ["without after, where nothing is left", undefined, position(8, 7), 7],
    ["after 0: at the oldest", 0, position(1, 7), 0],
    ["after 0, where the oldest are gone", 0, position(4, 7), 3],
    ["after 0, where nothing is left", 0, position(8, 7), 7],
    ["after 0, where nothing was ever told", 0, undefined, 0],
    ["after the last", 7, position(1, 7), 7],
    ["after the last, where nothing is left", 7, position(8, 7), 7],
    ["just before the oldest that is left", 3, position(4, 7), 3],
    ["in the middle", 5, position(4, 7), 5],
  ])("%s", (_what, after, at, cursor) => {
    expect(checkCursor(after, at)).toBe(cursor);
  });
});

describe("what is refused", () => {
  test("a sequence beyond the last, with the last", () => {
    expect(refusal(8, position(1, 7))).toMatchObject({
      code: "CURSOR_AHEAD",
      facts: { lastSequence: 7 },
    });
    expect(refusal(1, undefined)).toMatchObject({
      code: "CURSOR_AHEAD",
      facts: { lastSequence: 0 },
    });
  });

  test("one before the oldest that is left, with the oldest", () => {
    for (const after of [1, 2]) {
      expect(refusal(after, position(4, 7))).toMatchObject({
        code: "EVENTS_EXPIRED",
        facts: { firstSequence: 4 },
      });
    }
    expect(refusal(6, position(8, 7))).toMatchObject({
      code: "EVENTS_EXPIRED",
      facts: { firstSequence: 8 },
    });
  });

  test("a negative one", () => {
    expect(refusal(-1, position(1, 7)).code).toBe("BAD_INPUT");
    expect(refusal(-1, undefined).code).toBe("BAD_INPUT");
  });
});
