import { pino, type Logger, type LoggerOptions } from "pino";
import { countOutages } from "./outage-log.ts";

export type { Logger };

/** JSON lines on stdout; readable lines where stdout is a terminal. */
export async function createLogger(level: string): Promise<Logger> {
  const options: LoggerOptions = {
    level,
    hooks: { logMethod: countOutages(() => logger) },
    // What could carry a secret never reaches the log, whoever logs it.
    redact: { paths: ["token", "*.token", "authorization", "*.authorization", "*.cookie"] },
  };
  const logger = process.stdout.isTTY ? pino(options, await readable()) : pino(options);
  return logger;
}

/** Loaded only where it is used: a server without a terminal needs none of it. */
async function readable() {
  const { default: pretty } = await import("pino-pretty");
  return pretty({ ignore: "pid,hostname", translateTime: "HH:MM:ss", sync: true });
}
