// What the browser remembers of this page: choices, and nothing that matters elsewhere.

const prefix = "factory.";

/** Strings, numbers and lists alike; undefined: nothing is stored, or nothing that can be read. */
export function readStored(key: string): unknown {
  try {
    const text = window.localStorage.getItem(prefix + key);
    return text === null ? undefined : JSON.parse(text);
  } catch {
    // Storage may be switched off, or hold what another version wrote: then nothing is remembered.
    return undefined;
  }
}

export function writeStored(key: string, value: unknown): void {
  try {
    window.localStorage.setItem(prefix + key, JSON.stringify(value));
  } catch {
    // Full or switched off: the choice lasts as long as the page.
  }
}
