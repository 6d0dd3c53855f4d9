import { expect, test } from "@jest/globals";
import { builtInHosts, hostsOfVariables } from "../../../../src/sandbox/network/built-in-hosts.ts";

const names = (agent: string) => builtInHosts(agent).map(({ host }) => host);

test("an agent reaches its own provider and the registries, and no other's", () => {
  expect(names("claude")).toEqual(expect.arrayContaining(["api.anthropic.com", "pypi.org"]));
  expect(names("claude")).not.toContain("api.openai.com");
  expect(names("shell")).toContain("pypi.org");
  expect(names("shell")).not.toContain("api.anthropic.com");
});

test("a provider that a variable names is reached there, at that port", () => {
  expect(
    hostsOfVariables({
      ANTHROPIC_BASE_URL: "http://127.0.0.1:8080/v1",
      OPENAI_BASE_URL: "https://LLM.example/",
      ANTHROPIC_API_KEY: "https://key.example/",
      OTHER_BASE_URL: "no url",
      FILE_BASE_URL: "file:///etc",
    }),
  ).toEqual([
    { host: "127.0.0.1", isWildcard: false, port: 8080 },
    { host: "llm.example", isWildcard: false, port: 443 },
  ]);
});
