// The `factory` command, which bin/factory.js starts. The only file that does something when it is imported.
import { enableCompileCache } from "node:module";
import { compileCacheFolder } from "./client-config.ts";
import { ConfigError } from "./config-error.ts";
import { FactoryError } from "./errors.ts";

/** As after SIGPIPE, which Node ignores: whoever read the output has gone. */
const brokenPipe = 141;

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(brokenPipe);
  throw error;
});

const args = process.argv.slice(2);
// For what is imported from here on. A server runs for long, and would only hold more in memory.
if (args[0] !== "serve") enableCompileCache(compileCacheFolder());
const { CommandError } = await import("./command/connection.ts");
const { run } = await import("./command/run.ts");

try {
  const exitCode = await run(args, async (options) => {
    // Here, since other commands do without what a server takes in memory and time.
    const { serve } = await import("./server/serve.ts");
    await serve(options);
    return 0;
  });
  await end(exitCode);
} catch (error) {
  if (error instanceof ConfigError) {
    for (const mistake of error.message.split("\n")) process.stderr.write(`factory: ${mistake}\n`);
    await end(1);
  }
  if (error instanceof CommandError) {
    process.stderr.write(`factory: ${error.message}\n`);
    await end(error.exitCode);
  }
  if (error instanceof FactoryError) {
    process.stderr.write(`factory: ${error.message}\n`);
    await end(1);
  }
  // A bug: with where it happened, but without the line of code that Node would print, which may be long.
  const trace = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`factory: ${trace}\n`);
  await end(1);
}

/** With all that was said: what a slow reader has not taken yet would be lost at the exit. */
async function end(exitCode: number): Promise<never> {
  for (const stream of [process.stdout, process.stderr]) {
    await new Promise<void>((resolve) => {
      stream.write("", () => resolve());
    });
  }
  // Of a write that has failed, the event may be still to come.
  process.exit(process.stdout.errored === null ? exitCode : brokenPipe);
}
