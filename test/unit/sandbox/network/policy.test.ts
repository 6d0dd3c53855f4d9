import { describe, expect, test } from "@jest/globals";
import {
  parseHostPattern,
  parseNetworkRules,
  type HostPattern,
} from "../../../../src/network-rules.ts";
import { decide, isPublic, type NetworkPolicy } from "../../../../src/sandbox/network/policy.ts";

function pattern(text: string): HostPattern {
  const parsed = parseHostPattern(text);
  if (typeof parsed === "string") throw new Error(parsed);
  return parsed;
}

function policy(text: string, more: { builtIn?: string[]; named?: string[] } = {}): NetworkPolicy {
  const rules = parseNetworkRules(text);
  if (typeof rules === "string") throw new Error(rules);
  return {
    rules,
    builtIn: (more.builtIn ?? []).map(pattern),
    named: (more.named ?? []).map(pattern),
  };
}

function ask(by: NetworkPolicy, host: string, addresses: string[] = ["93.184.216.34"], port = 443) {
  return decide(by, { host, port }, async () => addresses);
}

const unlisted = { allowed: false, reason: "unlisted" };
const isPrivate = { allowed: false, reason: "private" };

test.each([
  "127.0.0.1",
  "0.0.0.0",
  "10.1.2.3",
  "172.16.0.1",
  "192.168.1.1",
  "169.254.169.254",
  "100.64.0.1",
  "224.0.0.1",
  "255.255.255.255",
  "198.18.0.1",
  "::1",
  "::",
  "fe80::1",
  "fc00::1",
  "ff02::1",
  "::ffff:10.0.0.1",
  "::ffff:7f00:1",
  "64:ff9b::7f00:1",
  "2002:7f00:1::",
  "2001:0:7f00:1::",
])("%s is not of the internet", (address) => {
  expect(isPublic(address)).toBe(false);
});

test.each(["93.184.216.34", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:8.8.8.8"])(
  "%s is of the internet",
  (address) => {
    expect(isPublic(address)).toBe(true);
  },
);

describe("a worker reaches", () => {
  test("what is listed, at the addresses that were looked up", async () => {
    expect(await ask(policy("example.com"), "example.com")).toEqual({
      allowed: true,
      addresses: ["93.184.216.34"],
    });
    expect(await ask(policy("example.com"), "other.example")).toEqual(unlisted);
    expect(await ask(policy("example.com"), "example.com", undefined, 22)).toEqual(unlisted);
  });

  test("what is built in, unless it is NONE", async () => {
    const builtIn = ["api.example"];
    expect(await ask(policy("", { builtIn }), "api.example")).toMatchObject({ allowed: true });
    expect(await ask(policy("OPEN", { builtIn }), "api.example")).toMatchObject({ allowed: true });
    expect(await ask(policy("NONE", { builtIn }), "api.example")).toEqual(unlisted);
    expect(await ask(policy("NONE,api.example", { builtIn }), "api.example")).toMatchObject({
      allowed: true,
    });
  });

  test("with OPEN the internet, at any port, and no other network", async () => {
    expect(await ask(policy("OPEN"), "any.example", undefined, 8080)).toMatchObject({
      allowed: true,
    });
    expect(await ask(policy("OPEN"), "any.example", ["10.0.0.1"])).toEqual(isPrivate);
    expect(await ask(policy("OPEN"), "127.0.0.1")).toEqual(isPrivate);
    expect(await ask(policy("OPEN"), "localhost", ["127.0.0.1"])).toEqual(isPrivate);
  });

  test("of a name that has both, the addresses of the internet alone", async () => {
    expect(await ask(policy("OPEN"), "both.example", ["127.0.0.1", "8.8.8.8"])).toEqual({
      allowed: true,
      addresses: ["8.8.8.8"],
    });
  });

  test("a private address only where its name is written out, and not by a *", async () => {
    expect(await ask(policy("git.example"), "git.example", ["10.0.0.9"])).toMatchObject({
      allowed: true,
    });
    expect(await ask(policy("*.example"), "git.example", ["10.0.0.9"])).toEqual(isPrivate);
    expect(
      await ask(policy("", { builtIn: ["git.example"] }), "git.example", ["10.0.0.9"]),
    ).toEqual(isPrivate);
    expect(
      await ask(policy("NONE", { named: ["git.example"] }), "git.example", ["10.0.0.9"]),
    ).toMatchObject({ allowed: true });
  });

  test("a link-local address, as of a cloud's metadata, only where the address itself is written out", async () => {
    const metadata = "169.254.169.254";
    expect(await ask(policy("meta.example"), "meta.example", [metadata])).toEqual(isPrivate);
    expect(await ask(policy("OPEN"), metadata)).toEqual(isPrivate);
    expect(await ask(policy(metadata), metadata)).toMatchObject({ allowed: true });
  });

  test("no name that is not listed is ever looked up", async () => {
    const looked: string[] = [];
    await decide(
      policy("example.com"),
      { host: "secret.tunnel.example", port: 443 },
      async (host) => {
        looked.push(host);
        return [];
      },
    );
    expect(looked).toEqual([]);
  });
});
