import { describe, expect, test } from "@jest/globals";
import { assertTransition, mayFollow, type Transitions } from "../../src/transitions.ts";

type Light = "RED" | "GREEN" | "OFF";
const lights: Transitions<Light> = { RED: ["GREEN", "OFF"], GREEN: ["RED"], OFF: [] };

describe("transitions", () => {
  test("a status that the table names may follow", () => {
    expect(mayFollow(lights, "RED", "GREEN")).toBe(true);
    expect(mayFollow(lights, "RED", "OFF")).toBe(true);
    expect(() => {
      assertTransition(lights, "GREEN", "RED");
    }).not.toThrow();
  });

  test("a status that it doesn't name may not, and the refusal names both", () => {
    expect(mayFollow(lights, "GREEN", "OFF")).toBe(false);
    expect(() => {
      assertTransition(lights, "GREEN", "OFF");
    }).toThrow("OFF can't follow GREEN");
  });

  test("no status follows itself unless the table says so", () => {
    expect(mayFollow(lights, "RED", "RED")).toBe(false);
    expect(mayFollow({ ON: ["ON"] }, "ON", "ON")).toBe(true);
  });

  test("nothing follows a final status", () => {
    for (const next of ["RED", "GREEN", "OFF"] as const) {
      expect(mayFollow(lights, "OFF", next)).toBe(false);
    }
  });
});
