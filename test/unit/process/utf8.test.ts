import { expect, test } from "@jest/globals";
import { countUnfinished, decodeStorable } from "../../../src/process/utf8.ts";

const bytes = (...values: number[]) => Uint8Array.from(values);

test.each([
  ["nothing", bytes(), 0],
  ["ASCII", bytes(0x61), 0],
  ["a whole character", bytes(0xe2, 0x82, 0xac), 0],
  ["the first byte of two", bytes(0x61, 0xc3), 1],
  ["the first byte of three", bytes(0xe2), 1],
  ["two bytes of three", bytes(0xe2, 0x82), 2],
  ["three bytes of four", bytes(0xf0, 0x9f, 0x98), 3],
  ["a continuation that continues nothing", bytes(0x61, 0x80, 0x80, 0x80), 0],
  ["a byte that begins no character", bytes(0xff), 0],
  ["an overlong form", bytes(0xe0, 0x80), 0],
  ["a surrogate", bytes(0xed, 0xa0), 0],
  ["what lies beyond the last character", bytes(0xf4, 0x90), 0],
])("%s: counts what begins a character", (_case, input, expected) => {
  expect(countUnfinished(input)).toBe(expected);
});

test("what Postgres can't hold becomes U+FFFD, and a byte order mark stays", () => {
  expect(decodeStorable(bytes(0xef, 0xbb, 0xbf, 0x61, 0, 0xff, 0x62))).toBe("\uFEFFa\uFFFD\uFFFDb");
});

test("decoding in two parts is decoding at once, wherever the cut is", () => {
  // Every length of character, and every kind of broken one.
  const all = Buffer.concat([
    Buffer.from("aä€😀\uFEFF\0"),
    bytes(0xff, 0xc3, 0x61, 0xe2, 0x82, 0x61, 0xf0, 0x9f, 0x98, 0xed, 0xa0, 0x80, 0xe0, 0x80, 0xc0),
    bytes(0xf4, 0x90, 0x80, 0x80, 0xf5, 0x80, 0xf0, 0x9f),
  ]);
  const whole = decodeStorable(all);
  for (let cut = 0; cut <= all.length; cut += 1) {
    const end = cut - countUnfinished(all.subarray(0, cut));
    expect(decodeStorable(all.subarray(0, end)) + decodeStorable(all.subarray(end))).toBe(whole);
  }
});
