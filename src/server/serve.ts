// `factory serve`: one server from its start to its stop.
import { loadConfig, type Role } from "../config.ts";
import { countOutages } from "../database/outage-log.ts";
import { createLogger, type Logger } from "../log.ts";
import { startServer } from "./server.ts";
import { startWords } from "./start-words.ts";

export interface ServeOptions {
  readonly role: Role;
  /** Whether a stop ends the workers too. */
  readonly stopWorkersOnExit: boolean;
}

/** A stop that takes longer than this is cut short. */
const stopTimeoutMs = 10_000;
/** What the end of the workers takes at most beyond their grace period. */
const killTimeoutMs = 12_000;

/** Resolves when it has stopped. @throws ConfigError, FactoryError */
export async function serve({ role, stopWorkersOnExit: endWorkers }: ServeOptions): Promise<void> {
  const config = loadConfig(undefined, undefined, role);
  const logger = await createLogger(config.logLevel, countOutages);
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
  if (config.role !== "runner") {
    const { url, token, isTokenNew } = server;
    const signInLink = process.stderr.isTTY ? server.createSignInLink() : undefined;
    const { tokenFile } = config;
    process.stderr.write(startWords({ url, token, isTokenNew, tokenFile, signInLink }));
  }
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
