import { describe, expect, test } from "@jest/globals";
import { isOwnOrigin, readBearer, readCredentials } from "../../../src/server/auth.ts";

describe("readBearer", () => {
  test("takes the token of the scheme Bearer, whatever its case, and of no other", () => {
    expect(readBearer("Bearer abc")).toBe("abc");
    expect(readBearer("bearer  abc")).toBe("abc");
    for (const header of [undefined, "", "abc", "Basic abc", "Bearer", "Bearer a b", "XBearer a"]) {
      expect(readBearer(header)).toBeUndefined();
    }
  });
});

describe("readCredentials", () => {
  test("prefers the header, which no browser sends by itself", () => {
    const headers = { authorization: "Bearer header", cookie: "factory_token=cookie" };
    expect(readCredentials(headers)).toEqual({ token: "header", ambient: false });
  });

  test("finds the cookie among others, by its whole name", () => {
    const read = (cookie: string | undefined) =>
      readCredentials({ authorization: undefined, cookie });
    expect(read("a=1; factory_token=cookie; b=2")).toEqual({ token: "cookie", ambient: true });
    for (const cookie of [undefined, "", "xfactory_token=1", "factory_token", "a=factory_token"]) {
      expect(read(cookie).token).toBeUndefined();
    }
  });
});

describe("isOwnOrigin", () => {
  test("compares host and port as a whole", () => {
    expect(isOwnOrigin("http://127.0.0.1:4000", "127.0.0.1:4000")).toBe(true);
    expect(isOwnOrigin("https://factory.example", "factory.example")).toBe(true);
    for (const origin of [
      undefined,
      "",
      "null",
      "http://127.0.0.1",
      "http://127.0.0.1:40000",
      "http://127.0.0.1:4000.evil.example",
      "http://evil.example/127.0.0.1:4000",
      "http://127.0.0.1:4000@evil.example",
    ]) {
      expect([origin, isOwnOrigin(origin, "127.0.0.1:4000")]).toEqual([origin, false]);
    }
    expect(isOwnOrigin("http://127.0.0.1:4000", undefined)).toBe(false);
  });
});
