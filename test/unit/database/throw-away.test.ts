import { access } from "node:fs/promises";
import { dirname } from "node:path";
import { expect, test } from "@jest/globals";
import {
  findPostgresProcesses,
  waitUntil,
} from "../../../src/database/embedded/postgres-processes.ts";
import { startThrowAwayPostgres } from "../../../src/database/throw-away.ts";
import { kill, readAnswer, useHomes } from "./homes.ts";
import { query } from "./query.ts";

const homes = useHomes();

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

test("a throw-away Postgres is gone after its stop, with its folder", async () => {
  const postgres = await startThrowAwayPostgres();
  const folder = dirname(postgres.logFile);
  expect(await query(postgres.url, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
  await postgres.stop();
  expect(await exists(dirname(folder))).toBe(false);
  expect(await findPostgresProcesses(`${folder}/data`)).toEqual([]);
});

test("a throw-away Postgres is gone soon after its process was killed, with its folder", async () => {
  const process = homes.spawnServer("", [], "run-throw-away.ts");
  const { logFile } = await readAnswer(process);
  const folder = dirname(logFile);
  expect(await findPostgresProcesses(`${folder}/data`)).not.toEqual([]);
  await kill(process);
  expect(await waitUntil(async () => !(await exists(dirname(folder))), 20_000)).toBe(true);
  expect(await findPostgresProcesses(`${folder}/data`)).toEqual([]);
});
