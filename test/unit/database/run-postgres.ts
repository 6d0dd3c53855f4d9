// A program that starts the embedded Postgres in the folder that its argument names, says so in a line of
// JSON, and stays until its input ends; then it stops Postgres. A signal of Ctrl-C it ignores.
import { startEmbeddedPostgres } from "../../../src/database/embedded.ts";

process.on("SIGINT", () => undefined);
const home = process.argv[2] ?? "";
const postgres = await startEmbeddedPostgres({ home, durable: false });
console.log(JSON.stringify({ ...postgres, uid: process.getuid?.() }));
process.stdin.resume().once("end", () => {
  void postgres.stop().then(() => process.exit(0));
});
