// A program that applies the migrations of a folder to a database, and writes their names as JSON.
import { applyMigrations } from "../../../src/database/migrate.ts";

const [url = "", folder = ""] = process.argv.slice(2);
console.log(JSON.stringify(await applyMigrations(url, { folder })));
