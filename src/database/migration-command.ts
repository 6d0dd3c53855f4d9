// npm run migration:new -- NAME      writes a migration for what changed in prisma/schema.prisma
// npm run migration:check            exits with 1 where the migrations and the schema disagree
import { FactoryError } from "../errors.ts";
import { migrationDrift, readSchema, writeMigration } from "./migration-drift.ts";
import { startThrowAwayPostgres } from "./throw-away.ts";

const usage = "Usage: npm run migration:new -- NAME, or npm run migration:check";

async function check(url: string): Promise<number> {
  const drift = await migrationDrift(url, await readSchema());
  if (drift === null) return 0;
  console.error(`${drift}\nprisma/schema.prisma has what the migrations lack (above).`);
  console.error("Write a migration for it: npm run migration:new -- NAME");
  return 1;
}

async function write(url: string, name: string): Promise<number> {
  const path = await writeMigration(url, name);
  console.log(path ?? "The migrations have all that prisma/schema.prisma has: nothing to write.");
  return 0;
}

async function main(command: string | undefined, name: string | undefined): Promise<number> {
  const known = command === "check" ? name === undefined : command === "new" && name !== undefined;
  if (!known) {
    console.error(usage);
    return 2;
  }
  const postgres = await startThrowAwayPostgres();
  try {
    return await (name === undefined ? check(postgres.url) : write(postgres.url, name));
  } finally {
    await postgres.stop();
  }
}

try {
  process.exit(await main(process.argv[2], process.argv[3]));
} catch (error) {
  console.error(error instanceof FactoryError ? error.message : error);
  process.exit(1);
}
