// What the documentation has its readers paste fits the API, and is no nonsense to what it is pasted into.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { buildSchema, parse, validate } from "graphql";
import { parseAllDocuments } from "yaml";
import { agentFailureCodes, errorCodes } from "../../src/errors.ts";
import { repositoryTransitions } from "../../src/repositories/states.ts";
import { workerTransitions } from "../../src/workers/states.ts";
import { worktreeTransitions } from "../../src/worktrees/states.ts";
import { documentsOf, readSnippets } from "../support/readme.ts";

const root = join(import.meta.dirname, "..", "..");
const files = [
  "README.md",
  "CONTRIBUTING.md",
  "docs/operate.md",
  "docs/sandbox.md",
  "deploy/README.md",
];
const snippets = files.flatMap(readSnippets);
const schema = buildSchema(readFileSync(join(root, "schema.graphql"), "utf8"));

/** A snippet by where it stands, for the test's name. */
const cases = (language: string) =>
  snippets
    .filter((snippet) => snippet.language === language)
    .map(
      ({ file, heading, text }, index) =>
        [`${file}, ${heading} (${String(index + 1)})`, text] as const,
    );

describe("GraphQL", () => {
  const documents = snippets.flatMap((snippet) =>
    documentsOf(snippet).map((text) => [`${snippet.file}, ${snippet.heading}`, text] as const),
  );
  test("is found", () => {
    expect(documents.length).toBeGreaterThan(20);
  });

  test.each(documents)("of %s fits the schema", (_where, text) => {
    // One snippet may hold several operations, which are sent one by one.
    const { definitions, ...document } = parse(text);
    for (const definition of definitions) {
      expect(validate(schema, { ...document, definitions: [definition] })).toEqual([]);
    }
  });
});

test.each(cases("sh"))("the shell can read %s", (_where, text) => {
  execFileSync("bash", ["-n"], { input: text });
});

test.each(cases("json"))("%s is JSON", (_where, text) => {
  expect(JSON.parse(text)).toEqual(expect.any(Object));
});

test.each(cases("yaml"))("%s is YAML", (_where, text) => {
  for (const document of parseAllDocuments(text)) expect(document.errors).toEqual([]);
});

test.each(cases("js"))("%s is JavaScript", (_where, text) => {
  execFileSync(process.execPath, ["--input-type=module", "--check"], { input: text });
});

describe("what the README lists is all that there is", () => {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const section = (title: string) => {
    const [, text = ""] = readme.split(`### ${title}\n`);
    return text.split(/\n##/)[0] ?? "";
  };

  test("of error codes", () => {
    const listed = [...section("Errors").matchAll(/`([A-Z]+(?:_[A-Z]+)*)`/g)]
      .map(second)
      .filter((name) => !name.startsWith("FACTORY_"));
    expect(listed.toSorted()).toEqual(
      [...Object.keys(errorCodes), ...Object.keys(agentFailureCodes)].toSorted(),
    );
  });

  test.each([
    ["worker", workerTransitions],
    ["worktree", worktreeTransitions],
    ["repository", repositoryTransitions],
  ])("of a %s's states", (what, transitions: Readonly<Record<string, readonly string[]>>) => {
    const row = section("States")
      .split("\n")
      .find((line) => line.startsWith(`| ${what} `));
    const listed = new Set([...(row ?? "").matchAll(/[A-Z_]{4,}/g)].map(([word]) => word));
    expect([...listed].toSorted()).toEqual(Object.keys(transitions).toSorted());
  });

  test("of the Node.js that it takes, once", () => {
    const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
      engines: { node: string };
    };
    const least = /\d+\.\d+/.exec(manifest.engines.node)?.[0];
    for (const file of files) {
      const text = readFileSync(join(root, file), "utf8");
      const named = [...text.matchAll(/Node\.js (\d+\.\d+)/g)].map(second);
      expect([file, [...new Set(named)].filter((version) => version !== least)]).toEqual([
        file,
        [],
      ]);
    }
  });
});

const second = (match: RegExpExecArray) => match[1] ?? "";

describe("links", () => {
  const links = files.flatMap((file) =>
    [...readFileSync(join(root, file), "utf8").matchAll(/\]\(([^)\s]+)\)/g)]
      .map((match) => match[1] ?? "")
      .filter((target) => !/^[a-z]+:/.test(target))
      .map((target) => [file, target] as const),
  );

  test.each(links)("%s: %s leads somewhere", (file, target) => {
    const [path = "", anchor] = target.split("#");
    const to = path === "" ? file : join(dirname(file), path);
    expect(existsSync(join(root, to))).toBe(true);
    if (anchor === undefined) return;
    const headings = [...readFileSync(join(root, to), "utf8").matchAll(/^#+ (.*)$/gm)];
    expect(headings.map((match) => slugOf(match[1] ?? ""))).toContain(anchor);
  });
});

/** As GitHub makes it. */
function slugOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");
}
