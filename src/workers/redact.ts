/** Replaces secrets in a text that comes in pieces, also where a secret is split between two of them. */
export interface Redactor {
  /** @returns what can be shown now; the rest is held until more comes. */
  push(text: string): string;
  /** The bytes of what is held: at most a secret's length. */
  heldBytes(): number;
  /** @returns what was held. */
  flush(): string;
}

const replacement = "[redacted]";
/** Shorter values are words of the language, not secrets. */
const shortestSecret = 8;

export function createRedactor(secrets: Iterable<string>): Redactor {
  // Longest first: a secret that begins with another one is replaced whole.
  const known = [...new Set(secrets)]
    .filter((secret) => secret.length >= shortestSecret)
    .toSorted((a, b) => b.length - a.length);
  let held = "";

  /** How many characters at the text's end may be the beginning of a secret. */
  function openEnd(text: string): number {
    let longest = 0;
    for (const secret of known) {
      const most = Math.min(secret.length - 1, text.length);
      for (let length = most; length > longest; length--) {
        if (text.endsWith(secret.slice(0, length))) longest = length;
      }
    }
    return longest;
  }

  return {
    push(text) {
      if (known.length === 0) return text;
      let whole = held + text;
      for (const secret of known) whole = whole.replaceAll(secret, replacement);
      const open = openEnd(whole);
      held = whole.slice(whole.length - open);
      return whole.slice(0, whole.length - open);
    },
    heldBytes: () => Buffer.byteLength(held),
    flush() {
      const rest = held;
      held = "";
      return rest;
    },
  };
}
