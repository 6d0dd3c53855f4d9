// `npm run schema` writes schema.graphql, `npm run schema:check` tells whether it is what the code says.
import { readFile, writeFile } from "node:fs/promises";
import { lexicographicSortSchema, printSchema } from "graphql";
import { schema } from "./schema.ts";

const file = new URL("../../schema.graphql", import.meta.url);
const printed = `${printSchema(lexicographicSortSchema(schema))}\n`;

if (process.argv.includes("--write")) {
  await writeFile(file, printed);
} else if ((await readFile(file, "utf8").catch(() => "")) !== printed) {
  console.error("schema.graphql is not what the code says: run `npm run schema` and commit it");
  process.exitCode = 1;
}
