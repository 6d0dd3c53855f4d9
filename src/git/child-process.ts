import type { ChildProcess } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Readable } from "node:stream";

/**
 * Finds the process behind a stream that simple-git hands out, which it doesn't tell itself and which the
 * second, forceful signal needs. Node tells of every new process on the channel `child_process`
 * (Node's documentation, "Diagnostics Channel", built-in channels), before it has streams.
 */
export function watchForChild(): { find(stdout: unknown): ChildProcess | undefined; stop(): void } {
  let latest: ChildProcess | undefined;
  const remember = (message: unknown) => {
    if (typeof message !== "object" || message === null || !("process" in message)) return;
    latest = message.process as ChildProcess; // the channel's documented shape
  };
  subscribe("child_process", remember);
  return {
    find: (stdout) => (latest?.stdout === (stdout as Readable) ? latest : undefined),
    stop() {
      unsubscribe("child_process", remember);
      latest = undefined;
    },
  };
}
