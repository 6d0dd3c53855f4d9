import { tokenLength, mayBeginToken, tokenSource } from "./token.ts";

/**
 * Replaces secrets, and any worker's token, in a text that comes in pieces, also where one is split between
 * two of them.
 */
export interface Redactor {
  /** @returns what can be shown now; the rest is held until more comes. */
  push(text: string): string;
  /** The bytes of what is held: at most a secret's length. */
  heldBytes(): number;
  /** @returns what was held, when no more comes. */
  flush(): string;
}

const replacement = "[redacted]";
/** Shorter values are words of the language, not secrets. */
const shortestSecret = 8;

/** Longest first: a secret that begins with another one is replaced whole. */
function prepare(secrets: Iterable<string>): { known: string[]; pattern: RegExp } {
  const known = [...new Set(secrets)]
    .filter((secret) => secret.length >= shortestSecret)
    .toSorted((a, b) => b.length - a.length);
  return { known, pattern: new RegExp([...known.map(escape), tokenSource].join("|"), "g") };
}

/** For texts that come in one piece each. */
export function createWholeRedactor(secrets: Iterable<string>): (text: string) => string {
  const { pattern } = prepare(secrets);
  return (text) => text.replaceAll(pattern, replacement);
}

export function createRedactor(secrets: Iterable<string>): Redactor {
  const { known, pattern } = prepare(secrets);
  const longest = Math.max(tokenLength, ...known.map(({ length }) => length));
  let held = "";

  function mayBegin(text: string): boolean {
    return (
      mayBeginToken(text) ||
      known.some((secret) => secret.length > text.length && secret.startsWith(text))
    );
  }

  /** From where on the text may be the beginning of a secret; its length, where it isn't. */
  function findOpenEnd(text: string, from: number): number {
    for (let at = Math.max(from, text.length - longest + 1); at < text.length; at += 1) {
      if (mayBegin(text.slice(at))) return at;
    }
    return text.length;
  }

  return {
    push(text) {
      const whole = held + text;
      let shown = "";
      let at = 0;
      let open = findOpenEnd(whole, at);
      for (const { 0: match, index } of whole.matchAll(pattern)) {
        // What may still become a longer secret is held, whatever it holds already.
        if (index >= open) break;
        shown += whole.slice(at, index) + replacement;
        at = index + match.length;
        if (at > open) open = findOpenEnd(whole, at);
      }
      held = whole.slice(open);
      return shown + whole.slice(at, open);
    },
    heldBytes: () => Buffer.byteLength(held),
    flush() {
      const rest = held.replaceAll(pattern, replacement);
      held = "";
      return rest;
    },
  };
}

function escape(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`);
}
