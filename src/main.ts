#!/usr/bin/env -S node --max-semi-space-size=8
// The `factory` command. The only file that does something when it is imported. Its first line keeps V8's young
// generation small, which saves some 15 MB at rest and costs no time that can be measured.
import { parseArgs } from "node:util";
import { CommandError } from "./command/connection.ts";
import { ConfigError, loadConfig, roles, type Role } from "./config.ts";
import { FactoryError } from "./errors.ts";
import type { Logger } from "./log.ts";

const usage = `Usage: factory serve [--role all|api|runner] [--stop-workers-on-exit]
       factory mcp
       factory report TEXT [--outcome succeeded|failed]

serve starts the server. Settings are read from the environment and from .env: see the README.

  --role all      answers requests and runs workers (the default)
  --role api      answers requests alone; needs DATABASE_URL and FACTORY_TOKEN
  --role runner   runs workers alone; needs FACTORY_API_URL too, where they reach an api server

  --stop-workers-on-exit   at SIGTERM or SIGINT its workers are ended, and their sessions CANCELLED;
                           without it they run on, and the next start goes on with them

mcp gives Factory's tools to agents, over the Model Context Protocol on stdin and stdout: passed on to the server at
FACTORY_URL with FACTORY_TOKEN, by default to the one of this machine.

report tells, from inside a worker, the session that asked for the work how it goes.
`;

/** A stop that takes longer than this is cut short. */
const stopTimeoutMs = 10_000;
/** What the end of the workers takes at most beyond their grace period. */
const killTimeoutMs = 12_000;

async function serve(role: Role, endWorkers: boolean): Promise<void> {
  // Here, since other commands do without what a server takes in memory and time.
  const { createLogger } = await import("./log.ts");
  const { startServer } = await import("./server/server.ts");
  const config = loadConfig(undefined, undefined, role);
  const logger = await createLogger(config.logLevel);
  process.title = "factory";
  // Before the start: one that is stopped in the middle must not leave its Postgres behind.
  const asked = endWorkers
    ? waitForStop(
        logger,
        "stopping, and ending the workers",
        stopTimeoutMs + config.killGrace * 1000 + killTimeoutMs,
      )
    : waitForStop(logger, "stopping; running workers go on", stopTimeoutMs);
  const server = await startServer(config, logger);
  logger.info({ url: server.url, home: config.home }, `listening on ${server.url}`);
  // For people, beside the log: the token is for whoever started the server, and no line of a log.
  if (config.role !== "runner")
    process.stderr.write(`
  Factory is running. Open this address in a browser:

    ${server.url}/?token=${server.token}

  It opens GraphiQL, with a first clone and a first dispatch to try. For programs:

    export FACTORY_URL=${server.url} FACTORY_TOKEN=${server.token}

`);
  await asked;
  await server.stop({ endWorkers });
  logger.info("stopped");
}

/** Resolves with the first SIGTERM or SIGINT, from which on the time of the stop runs. */
function waitForStop(logger: Logger, message: string, timeoutMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let isAsked = false;
  const ask = (signal: string) => {
    if (isAsked) return;
    isAsked = true;
    logger.info({ signal }, message);
    setTimeout(() => {
      logger.error("the stop took too long and is cut short");
      process.exit(1);
    }, timeoutMs).unref();
    resolve();
  };
  process.on("SIGTERM", ask);
  process.on("SIGINT", ask);
  return promise;
}

function parseCommand() {
  return parseArgs({
    allowPositionals: true,
    options: {
      help: { type: "boolean", short: "h" },
      role: { type: "string", default: "all" },
      "stop-workers-on-exit": { type: "boolean", default: false },
    },
  });
}

async function main(): Promise<number> {
  const [name, ...rest] = process.argv.slice(2);
  if (name === "report") return (await import("./command/report.ts")).report(rest);
  let command: ReturnType<typeof parseCommand>;
  try {
    command = parseCommand();
  } catch (error) {
    // An option that there isn't: it says which.
    process.stderr.write(`factory: ${error instanceof Error ? error.message : String(error)}\n`);
    process.stderr.write(usage);
    return 2;
  }
  const { positionals, values } = command;
  if (values.help === true) {
    process.stdout.write(usage);
    return 0;
  }
  if (positionals[0] === "mcp" && positionals.length === 1) {
    const { serveMcp } = await import("./command/mcp.ts");
    return serveMcp({ input: process.stdin, output: process.stdout, errors: process.stderr });
  }
  const role = roles.find((known) => known === values.role);
  if (positionals[0] !== "serve" || positionals.length > 1 || role === undefined) {
    process.stderr.write(usage);
    return 2;
  }
  await serve(role, values["stop-workers-on-exit"]);
  return 0;
}

try {
  process.exit(await main());
} catch (error) {
  if (error instanceof ConfigError) {
    for (const mistake of error.message.split("\n")) process.stderr.write(`factory: ${mistake}\n`);
    process.exit(1);
  }
  if (error instanceof CommandError) {
    process.stderr.write(`factory: ${error.message}\n`);
    process.exit(error.exitCode);
  }
  if (error instanceof FactoryError) {
    process.stderr.write(`factory: ${error.message}\n`);
    process.exit(1);
  }
  // A bug: with where it happened, but without the line of code that Node would print, which may be long.
  const trace = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`factory: ${trace}\n`);
  process.exit(1);
}
