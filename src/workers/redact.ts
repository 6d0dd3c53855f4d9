// Replaces the server's secrets, and any worker's token, in texts of workers: as they are, url-encoded, escaped as in
// JSON, and in base64 wherever they begin in what was encoded.
import { tokenBody, tokenPrefix } from "./token.ts";

/** For a text that comes in pieces, also where a secret is split between them. */
export interface Redactor {
  /** @returns what can be shown now; the rest is held until more comes. */
  push(text: string): string;
  /** What is held and wasn't shown, as it came. */
  held(): string;
  /** The bytes of what is held: at most what the longest spelling of a secret takes. */
  heldBytes(): number;
  /** @returns what was held, when no more comes. */
  flush(): string;
}

const replacement = "[redacted]";
/** Shorter values are words of the language, not secrets. */
export const shortestSecret = 8;
/** Longer values are looked for in pieces of this many characters, so that no pattern grows without measure. */
const longestPiece = 128;

/** A character takes 4 bytes at most, and each of them 3 characters. */
const longestSpelling = 12;

/** One character of what is looked for: all of its spellings. */
type Element = readonly string[];

interface Pattern {
  readonly elements: readonly Element[];
  /** base64 is written in lines. */
  readonly hasBreaks: boolean;
}

const base64Letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

function createPatterns(secrets: Iterable<string>): Pattern[] {
  const pieces = [...new Set([...secrets].flatMap(piecesOf))];
  const patterns = pieces.flatMap((piece) => [
    { elements: Array.from(piece).map(spellings), hasBreaks: false },
    ...[0, 1, 2].map((before) => ({ elements: inBase64(piece, before), hasBreaks: true })),
  ]);
  // Longest first: a secret that begins with another one is replaced whole.
  return [...patterns, ...tokenPatterns()].toSorted(
    (a, b) => b.elements.length - a.elements.length,
  );
}

function piecesOf(secret: string): string[] {
  // A key of several lines is printed by lines too.
  const lines = secret.includes("\n") ? secret.split("\n").map((line) => line.trim()) : [secret];
  return lines
    .filter((line) => line.length >= shortestSecret && !line.startsWith("-----"))
    .flatMap((line) => {
      const count = Math.ceil(line.length / longestPiece);
      const size = Math.ceil(line.length / count);
      return Array.from({ length: count }, (_, at) => line.slice(at * size, (at + 1) * size));
    });
}

function spellings(character: string): Element {
  const bytes = [...Buffer.from(character)].map((byte) => byte.toString(16).padStart(2, "0"));
  const encoded = bytes.map((byte) => `%${byte}`).join("");
  const escaped = JSON.stringify(character).slice(1, -1);
  const units = character.split("").map((unit) => unit.charCodeAt(0).toString(16).padStart(4, "0"));
  const unicode = [units, units.map((unit) => unit.toUpperCase())].map((all) =>
    all.map((unit) => String.raw`\u${unit}`).join(""),
  );
  const all = [character, encoded.toUpperCase(), encoded, escaped, ...unicode];
  if (character === " ") all.push("+");
  if (character === "/") all.push("\\/");
  // A percent sign is also how others begin.
  return [...new Set(all)].toSorted((one, other) => other.length - one.length);
}

/** What stands in base64 for the text whatever is encoded around it, where so many bytes (modulo 3) come before it. */
function inBase64(text: string, before: number, after = ""): Element[] {
  const bytes = Buffer.from(text + after);
  const whole = Buffer.concat([Buffer.alloc(before), bytes]).toString("base64");
  const from = Math.ceil((before * 8) / 6);
  const to = Math.floor(((before + Buffer.byteLength(text)) * 8) / 6);
  return Array.from(whole.slice(from, to)).map(spelledInBase64);
}

function spelledInBase64(character: string): Element {
  if (character === "+") return ["+", "-", "%2B", "%2b"];
  if (character === "/") return ["/", "_", "%2F", "%2f", "\\/"];
  return [character];
}

/** The server keeps no token that it could look for, but all begin alike. */
function tokenPatterns(): Pattern[] {
  const body = Array.from({ length: tokenBody.length }, () => Array.from(tokenBody.characters));
  const any = Array.from(`${base64Letters}-_`);
  return [
    {
      elements: [...Array.from(tokenPrefix).map((character) => [character]), ...body],
      hasBreaks: false,
    },
    ...[0, 1, 2].map((before) => {
      const first = inBase64(tokenPrefix, before);
      const to = Math.floor(((before + tokenPrefix.length + tokenBody.length) * 8) / 6);
      const rest = to - Math.ceil((before * 8) / 6) - first.length;
      return { elements: [...first, ...Array.from({ length: rest }, () => any)], hasBreaks: true };
    }),
  ];
}

const lineBreak = String.raw`(?:\r?\n|\\r|\\n){0,2}`;

function sourceOf({ elements, hasBreaks }: Pattern): string {
  return elements
    .map((element) =>
      element.every(({ length }) => length === 1)
        ? element.length === 1
          ? escape(element.join(""))
          : `[${element.map(escape).join("")}]`
        : `(?:${element.map(escape).join("|")})`,
    )
    .join(hasBreaks ? lineBreak : "");
}

/** Whether the text from there on may be the beginning of one whose rest is yet to come. */
function isOpen({ elements, hasBreaks }: Pattern, text: string, start: number): boolean {
  let at = start;
  for (const [index, element] of elements.entries()) {
    while (hasBreaks && index > 0 && (text[at] === "\n" || text[at] === "\r")) at += 1;
    const rest = text.length - at;
    if (rest === 0) return index > 0;
    const end = rest < longestSpelling ? text.slice(at) : undefined;
    if (end !== undefined && element.some((one) => one.length > rest && one.startsWith(end))) {
      return true;
    }
    const found = element.find((spelling) => text.startsWith(spelling, at));
    if (found === undefined) return false;
    at += found.length;
  }
  return false;
}

interface Match {
  readonly start: number;
  readonly end: number;
}

interface Search {
  /** The first one from there on. */
  readonly find: (text: string, from: number) => Match | undefined;
  /** The most characters that a spelling takes. */
  readonly longest: number;
  /** Of those that may begin there and go on in what is yet to come. */
  readonly openAt: (text: string, at: number) => "base64" | "plain" | undefined;
}

/**
 * Every letter begins some secret's base64: so many of one's letters are shown at once, or the ends of prompts and of
 * lines would be held back. They are remembered, so that the rest is found.
 */
const shownOfBase64 = 4;

/** A server has one list: it is prepared once. */
const searches = new WeakMap<readonly string[], Search>();

function prepare(secrets: readonly string[]): Search {
  const known = searches.get(secrets);
  if (known !== undefined) return known;
  const search = createSearch(secrets);
  searches.set(secrets, search);
  return search;
}

function createSearch(secrets: readonly string[]): Search {
  const patterns = createPatterns(secrets);
  const byFirst = new Map<string, Pattern[]>();
  for (const pattern of patterns) {
    const firsts = new Set(pattern.elements[0]?.map((spelling) => spelling.slice(0, 1)));
    for (const first of firsts) byFirst.set(first, [...(byFirst.get(first) ?? []), pattern]);
  }
  const lengths = patterns.map(
    ({ elements, hasBreaks }) =>
      elements.reduce((sum, element) => sum + Math.max(...element.map((one) => one.length)), 0) *
      (hasBreaks ? 2 : 1),
  );
  return {
    find: createFind(patterns),
    longest: Math.max(...lengths),
    openAt(text, at) {
      const open =
        byFirst.get(text[at] ?? "")?.filter((pattern) => isOpen(pattern, text, at)) ?? [];
      if (open.length === 0) return undefined;
      return open.every(({ hasBreaks }) => hasBreaks) ? "base64" : "plain";
    },
  };
}

/** Beyond ASCII all characters count as the last one. */
const letters = 128;

function placeOf(first: number, second: number): number {
  return Math.min(first, letters - 1) * letters + Math.min(second, letters - 1);
}

/** The first two characters of whatever it stands for, line breaks left out; each pattern has several elements. */
function openings({ elements: [one = [], two = []] }: Pattern): Set<string> {
  const texts = one.flatMap((spelling) =>
    spelling.length > 1 ? [spelling] : two.map((after) => spelling + after),
  );
  return new Set(texts.map((text) => text.slice(0, 2)));
}

interface Candidates {
  readonly patterns: Pattern[];
  expression?: RegExp;
}

/** For each two characters, those patterns that may begin with them. */
class Openings {
  readonly #candidates: Candidates[] = [];
  /** Which of these, counted from 1. */
  readonly #table = new Uint16Array(letters * letters);

  add(first: number, second: number, pattern: Pattern): void {
    const place = placeOf(first, second);
    const known = this.#candidates[(this.#table[place] ?? 0) - 1];
    if (known === undefined) this.#table[place] = this.#candidates.push({ patterns: [pattern] });
    else if (!known.patterns.includes(pattern)) known.patterns.push(pattern);
  }

  /** Composed when it is first asked for: most are never. */
  find(first: number, second: number): RegExp | undefined {
    const which = this.#table[placeOf(first, second)] ?? 0;
    const candidates = which === 0 ? undefined : this.#candidates[which - 1];
    if (candidates === undefined) return undefined;
    candidates.expression ??= new RegExp(candidates.patterns.map(sourceOf).join("|"), "y");
    return candidates.expression;
  }
}

const [newline, carriageReturn, backslash, letterN, letterR] = [0x0a, 0x0d, 0x5c, 0x6e, 0x72];

function mayBreak(character: number): boolean {
  return character === newline || character === carriageReturn || character === backslash;
}

/** Behind what `lineBreak` stands for. */
function skipBreaks(text: string, from: number): number {
  let at = from;
  for (let count = 0; count < 2; count += 1) {
    const character = text.charCodeAt(at);
    const next = text.charCodeAt(at + 1);
    if (character === newline) at += 1;
    else if (character === carriageReturn && next === newline) at += 2;
    else if (character === backslash && (next === letterN || next === letterR)) at += 2;
    else break;
  }
  return at;
}

/**
 * One expression of all patterns tries each of them at each character: of 4 MiB that takes a second. At most places
 * none of them begins with the two characters there.
 */
function createFind(patterns: readonly Pattern[]): Search["find"] {
  const plain = new Openings();
  /** Where a line break may stand between the two. */
  const broken = new Openings();
  for (const pattern of patterns) {
    for (const opening of openings(pattern)) {
      const [first, second] = [opening.charCodeAt(0), opening.charCodeAt(1)];
      if (pattern.hasBreaks) broken.add(first, second, pattern);
      if (!mayBreak(second)) plain.add(first, second, pattern);
      else for (let any = 0; any < letters; any += 1) broken.add(first, any, pattern);
    }
  }
  return (text, from) => {
    let first = text.charCodeAt(from);
    for (let at = from; at < text.length - 1; at += 1) {
      const second = text.charCodeAt(at + 1);
      const pattern = mayBreak(second)
        ? broken.find(first, text.charCodeAt(skipBreaks(text, at + 1)))
        : plain.find(first, second);
      first = second;
      if (pattern === undefined) continue;
      pattern.lastIndex = at;
      if (pattern.test(text)) return { start: at, end: pattern.lastIndex };
    }
    return undefined;
  };
}

function hide({ find }: Search, text: string): string {
  let shown = "";
  let at = 0;
  for (let match = find(text, 0); match !== undefined; match = find(text, at)) {
    shown += text.slice(at, match.start) + replacement;
    at = match.end;
  }
  return at === 0 ? text : shown + text.slice(at);
}

/** For texts that come in one piece each. */
export function createWholeRedactor(secrets: readonly string[]): (text: string) => string {
  const search = prepare(secrets);
  return (text) => hide(search, text);
}

export function createRedactor(secrets: readonly string[]): Redactor {
  const search = prepare(secrets);
  const { find, longest, openAt } = search;
  let held = "";
  /** How many characters of what is held were shown. */
  let seen = 0;

  /** From where on the text may be the beginning of a secret; its length, where it isn't. */
  function findOpenEnd(text: string, from: number): number {
    for (let at = Math.max(from, text.length - longest + 1); at < text.length; at += 1) {
      if (openAt(text, at) !== undefined) return at;
    }
    return text.length;
  }

  /** How far the end from there on is shown all the same. */
  function findShown(text: string, open: number): number {
    if (text.slice(open).replaceAll(/[\r\n]/g, "").length > shownOfBase64) return open;
    let at = open;
    while (at < text.length && openAt(text, at) !== "plain") at += 1;
    return at;
  }

  return {
    push(text) {
      const whole = held + text;
      let shown = "";
      let at = seen;
      let open = findOpenEnd(whole, 0);
      // From the beginning on: what was shown already may be a secret's beginning.
      for (let match = find(whole, 0); match !== undefined; match = find(whole, match.end)) {
        // What may still become a longer secret is held, whatever it holds already.
        if (match.start >= open) break;
        shown += whole.slice(at, match.start) + replacement;
        at = match.end;
        if (at > open) open = findOpenEnd(whole, at);
      }
      const until = Math.max(at, findShown(whole, open));
      held = whole.slice(open);
      seen = until - open;
      return shown + whole.slice(at, until);
    },
    held: () => held.slice(seen),
    heldBytes: () => Buffer.byteLength(held.slice(seen)),
    flush() {
      const [rest, before] = [held, seen];
      held = "";
      seen = 0;
      const hidden = hide(search, rest);
      return hidden === rest ? rest.slice(before) : hidden;
    },
  };
}

function escape(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`);
}
