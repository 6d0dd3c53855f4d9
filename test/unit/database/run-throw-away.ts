// A program that starts a throw-away Postgres, says where in a line of JSON, and stays.
import { startThrowAwayPostgres } from "../../../src/database/throw-away.ts";

const postgres = await startThrowAwayPostgres();
console.log(JSON.stringify(postgres));
process.stdin.resume();
