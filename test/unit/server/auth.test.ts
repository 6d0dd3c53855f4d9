import { describe, expect, test } from "@jest/globals";
import {
  cookieNameOf,
  isOwnOrigin,
  readBearer,
  readCredentials,
} from "../../../src/server/auth.ts";

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
    const headers = { authorization: "Bearer header", cookie: "session=cookie" };
    expect(readCredentials(headers, "session")).toEqual({ kind: "token", token: "header" });
  });

  test("finds the cookie among others, by its whole name", () => {
    const read = (cookie: string | undefined) =>
      readCredentials({ authorization: undefined, cookie }, "session");
    expect(read("a=1; session=cookie; b=2")).toEqual({ kind: "session", id: "cookie" });
    for (const cookie of [undefined, "", "xsession=1", "session", "session=", "a=session"]) {
      expect(read(cookie)).toBeUndefined();
    }
  });
});

describe("cookieNameOf", () => {
  test("has the port that the browser sees", () => {
    expect(cookieNameOf("127.0.0.1:4000", false)).toBe("factory_session_4000");
    expect(cookieNameOf("[::1]:4000", false)).toBe("factory_session_4000");
    expect(cookieNameOf("factory.example", true)).toBe("factory_session_443");
    expect(cookieNameOf("factory.example", false)).toBe("factory_session_80");
    expect(cookieNameOf("a:1;x=y", false)).toBe("factory_session_80");
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
