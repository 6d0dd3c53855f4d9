// The command asks the API as it is: every document that it holds fits the schema.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { parse, validate } from "graphql";
import { documents } from "../../../src/command/document.ts";
import { schema } from "../../../src/graphql/schema.ts";

const folder = join(import.meta.dirname, "..", "..", "..", "src", "command");

test("every document of the command fits the schema", async () => {
  const files = readdirSync(folder).filter((name) => name.endsWith(".ts"));
  for (const file of files) await import(join(folder, file));
  const faults = [...documents].flatMap((text) =>
    validate(schema, parse(text)).map(({ message }) => message),
  );
  expect(faults).toEqual([]);
  expect(documents.size).toBeGreaterThan(20);
});
