// One line at the bottom of a terminal that says how far something is.
import { oneLine } from "./harmless.ts";
import { onErrors } from "./print.ts";

export interface Progress {
  show(step: { readonly message: string; readonly percent: number | null }): void;
  /** Takes the line away. */
  close(): void;
}

const barWidth = 24;

/** On standard error; where that is no terminal nobody needs it. */
export async function openProgress(what: string): Promise<Progress> {
  if (!process.stderr.isTTY) return { show: () => undefined, close: () => undefined };
  const { createLogUpdate } = await import("log-update");
  const line = createLogUpdate(process.stderr);
  return {
    show({ message, percent }) {
      const share = percent === null ? "" : `${bar(percent)} ${String(percent).padStart(3)}% `;
      const width = (process.stderr.columns || 80) - 1;
      const text = `${what} ${share}`;
      line(`${text}${oneLine(message).slice(0, Math.max(0, width - what.length - barWidth - 7))}`);
    },
    close() {
      line.clear();
      line.done();
    },
  };
}

function bar(percent: number): string {
  const full = Math.round((Math.min(percent, 100) / 100) * barWidth);
  return `${onErrors("green", "█".repeat(full))}${onErrors("dim", "░".repeat(barWidth - full))}`;
}
