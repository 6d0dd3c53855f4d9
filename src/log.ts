import { pino, type Logger } from "pino";

export type { Logger };

/** JSON lines on stdout; readable lines where stdout is a terminal. */
export async function createLogger(level: string): Promise<Logger> {
  const options = {
    level,
    // What could carry a secret never reaches the log, whoever logs it.
    redact: { paths: ["token", "*.token", "authorization", "*.authorization", "*.cookie"] },
  };
  if (!process.stdout.isTTY) return pino(options);
  // Loaded only where it is used: a server without a terminal needs none of it.
  const { default: pretty } = await import("pino-pretty");
  return pino(options, pretty({ ignore: "pid,hostname", translateTime: "HH:MM:ss", sync: true }));
}
