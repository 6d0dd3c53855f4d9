// How much of what a session prints is kept.

/** What one session may store; the rest is dropped, with a marker that says so. */
export const mostOutputBytes = 32 * 1024 * 1024;
export const outputMarker = `\n[output beyond ${String(mostOutputBytes / 1024 / 1024)} MiB is not kept]\n`;

/** Stands where a file of output has bytes that were not read. */
export function skippedMarker(bytes: number): string {
  return `\n[${String(bytes)} bytes of output are not kept]\n`;
}

export interface OutputMeter {
  /** Counted so far. */
  readonly bytes: number;
  /** Nothing more is kept, whatever comes. */
  isFull(): boolean;
  /**
   * Counts the text, and what is stored beside it.
   * @returns "last": it is kept, and nothing after it is
   */
  take(text: string, bytesBeside?: number): "kept" | "last" | "dropped";
  /** Counts the text. @returns what is kept of it, with the marker behind the last */
  keep(text: string): string;
}

/**
 * By what is handed on rather than by places in the files, which go back when a worker empties them.
 * @param before bytes that were counted by an earlier server
 */
export function createOutputMeter(before: number): OutputMeter {
  let bytes = before;

  function take(text: string, bytesBeside = 0) {
    if (bytes > mostOutputBytes) return "dropped";
    bytes += Buffer.byteLength(text) + bytesBeside;
    return bytes > mostOutputBytes ? "last" : "kept";
  }

  return {
    get bytes() {
      return bytes;
    },
    isFull: () => bytes > mostOutputBytes,
    take,
    keep(text) {
      const verdict = take(text);
      if (verdict === "dropped") return "";
      return verdict === "last" ? text + outputMarker : text;
    },
  };
}
