import { pino, type Logger, type LoggerOptions } from "pino";

export type { Logger };

type LogMethod = NonNullable<NonNullable<LoggerOptions["hooks"]>["logMethod"]>;

/** JSON lines on stdout; readable lines where stdout is a terminal. `hookOf` may hold messages back. */
export async function createLogger(
  level: string,
  hookOf?: (root: () => Logger) => LogMethod,
): Promise<Logger> {
  const options: LoggerOptions = {
    level,
    hooks: hookOf === undefined ? {} : { logMethod: hookOf(() => logger) },
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
