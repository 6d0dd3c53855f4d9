import { pino, type Logger } from "pino";
import pretty from "pino-pretty";

export type { Logger };

/** JSON lines on stdout; readable lines where stdout is a terminal. */
export function createLogger(level: string): Logger {
  const options = {
    level,
    // What could carry a secret never reaches the log, whoever logs it.
    redact: { paths: ["token", "*.token", "authorization", "*.authorization", "*.cookie"] },
  };
  return process.stdout.isTTY
    ? pino(options, pretty({ ignore: "pid,hostname", translateTime: "HH:MM:ss", sync: true }))
    : pino(options);
}
