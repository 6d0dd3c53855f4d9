// What the documentation has its readers paste fits the API, and is no nonsense to what it is pasted into.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { buildSchema, parse, validate } from "graphql";
import { parseAllDocuments } from "yaml";
import { documentsOf, readSnippets } from "../support/readme.ts";

const root = join(import.meta.dirname, "..", "..");
const files = ["README.md", "CONTRIBUTING.md", "docs/operate.md", "deploy/README.md"];
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
