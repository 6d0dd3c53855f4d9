// What the command reads of the environment, and of the address that a server has left.
import { describe, expect, test } from "@jest/globals";
import { parseAddress } from "../../../src/address-file.ts";
import { compileCacheFolder, loadClientConfig } from "../../../src/client-config.ts";

describe("the environment", () => {
  test("says where the server is, with an empty variable as an unset one", () => {
    expect(loadClientConfig({ FACTORY_URL: "", FACTORY_TOKEN: "", FACTORY_HOME: "/h" })).toEqual({
      url: undefined,
      usualUrl: "http://127.0.0.1:4000",
      token: undefined,
      home: "/h",
      traceparent: undefined,
      worker: undefined,
    });
    const given = { FACTORY_URL: "https://f.example.org/here//", HOST: "::1", PORT: "5000" };
    expect(loadClientConfig(given)).toMatchObject({
      url: "https://f.example.org/here",
      usualUrl: "http://[::1]:5000",
    });
  });

  test("says inside a worker which one it is, and where it works", () => {
    const given = { FACTORY_WORKER: "worker-3", FACTORY_OWNER: "acme", FACTORY_REPOSITORY: "app" };
    expect(loadClientConfig(given).worker).toEqual({
      name: "worker-3",
      owner: "acme",
      repository: "app",
    });
  });

  test("has compiled code kept where the user alone writes", () => {
    expect(compileCacheFolder({ XDG_CACHE_HOME: "/c" })).toBe("/c/factory");
    expect(compileCacheFolder({ XDG_CACHE_HOME: "relative" })).toMatch(/^\/.*\/\.cache\/factory$/);
  });
});

test("an address that is none is as good as none", () => {
  const address = { url: "http://127.0.0.1:1", bootId: "b", pid: 1, startTime: 2 };
  expect(parseAddress(JSON.stringify(address))).toEqual(address);
  const wrong = ["", "{", "null", "[]", '"x"', JSON.stringify({ ...address, pid: "1" })];
  expect(wrong.map(parseAddress)).toEqual(wrong.map(() => undefined));
});
