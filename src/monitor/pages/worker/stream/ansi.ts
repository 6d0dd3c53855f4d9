// Terminal escapes in a line of output: colours are kept, everything else that a terminal would obey is left out.
import { parse } from "@ansi-tools/parser";

export type Colour =
  | { readonly kind: "named"; readonly index: number }
  | { readonly kind: "rgb"; readonly css: string };

/** How text looks from some place on. */
export interface Look {
  readonly colour: Colour | undefined;
  readonly ground: Colour | undefined;
  readonly isBold: boolean;
  readonly isDim: boolean;
  readonly isItalic: boolean;
  readonly isUnderlined: boolean;
  readonly isStruck: boolean;
  readonly isInverse: boolean;
}

export const plainLook: Look = {
  colour: undefined,
  ground: undefined,
  isBold: false,
  isDim: false,
  isItalic: false,
  isUnderlined: false,
  isStruck: false,
  isInverse: false,
};

export interface Run {
  readonly text: string;
  readonly look: Look;
}

/** Any control character but the tabulator, escapes included. */
const control = /[^\P{Cc}\t]/u;
const allControls = /[^\P{Cc}\t]/gu;

export function hasControls(raw: string): boolean {
  return control.test(raw);
}

/** What is to be read of the line. */
export function plainText(raw: string): string {
  if (!hasControls(raw)) return raw;
  let text = "";
  for (const code of parse(raw)) if (code.type === "TEXT") text += code.raw;
  return text.replace(allControls, "");
}

/**
 * @param look that of the line's beginning: a colour lasts over the end of a line
 * @returns the parts of the line, and the look that the next one begins with
 */
export function readRuns(raw: string, look: Look): { readonly runs: Run[]; readonly next: Look } {
  if (!hasControls(raw)) return { runs: raw === "" ? [] : [{ text: raw, look }], next: look };
  const runs: Run[] = [];
  let current = look;
  for (const code of parse(raw)) {
    if (code.type === "TEXT") {
      const text = code.raw.replace(allControls, "");
      if (text !== "") runs.push({ text, look: current });
    } else if (code.type === "CSI" && code.command === "m") {
      current = applyGraphics(code.raw, current);
    }
  }
  return { runs, next: current };
}

/** "Select graphic rendition": ECMA-48, 8.3.117, with the colours of ITU-T T.416. */
function applyGraphics(raw: string, before: Look): Look {
  // Without its introducer, of one or two characters, and the m at its end.
  const codes = raw.slice(raw.startsWith("\u009b") ? 1 : 2, -1).split(/[;:]/);
  let look = before;
  for (let at = 0; at < codes.length; at += 1) {
    const code = Number(codes[at]);
    if (code === 38 || code === 48) {
      const { colour, used } = readColour(codes.slice(at + 1));
      if (colour !== undefined) look = { ...look, [code === 38 ? "colour" : "ground"]: colour };
      at += used;
    } else {
      look = applyCode(code, look);
    }
  }
  return look;
}

function applyCode(code: number, look: Look): Look {
  if (code === 0) return plainLook;
  const change = simpleCodes[code];
  if (change !== undefined) return { ...look, ...change };
  const index = (code % 10) + (code >= 90 ? 8 : 0);
  if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) {
    return { ...look, colour: { kind: "named", index } };
  }
  if ((code >= 40 && code <= 47) || (code >= 100 && code <= 107)) {
    return { ...look, ground: { kind: "named", index } };
  }
  return look;
}

const simpleCodes: Readonly<Record<number, Partial<Look>>> = {
  1: { isBold: true },
  2: { isDim: true },
  3: { isItalic: true },
  4: { isUnderlined: true },
  7: { isInverse: true },
  9: { isStruck: true },
  21: { isUnderlined: true },
  22: { isBold: false, isDim: false },
  23: { isItalic: false },
  24: { isUnderlined: false },
  27: { isInverse: false },
  29: { isStruck: false },
  39: { colour: undefined },
  49: { ground: undefined },
};

/** What follows 38 and 48: 5;N or 2;R;G;B, the latter also with a colour space before R. */
function readColour(codes: readonly string[]): { colour: Colour | undefined; used: number } {
  if (codes[0] === "5") return { colour: fromTable(Number(codes[1])), used: 2 };
  if (codes[0] !== "2") return { colour: undefined, used: 0 };
  const hasSpace = codes[1] === "" && codes.length > 4;
  const [red, green, blue] = codes.slice(hasSpace ? 2 : 1).map(Number);
  return { colour: rgb(red, green, blue), used: hasSpace ? 5 : 4 };
}

/** The table of 256: sixteen by name, a cube of six levels, a ramp of greys. */
function fromTable(index: number): Colour | undefined {
  if (!Number.isInteger(index) || index < 0 || index > 255) return undefined;
  if (index < 16) return { kind: "named", index };
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10;
    return rgb(grey, grey, grey);
  }
  const level = (step: number): number => (step === 0 ? 0 : 55 + step * 40);
  const cube = index - 16;
  return rgb(level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6));
}

function rgb(...parts: (number | undefined)[]): Colour | undefined {
  const isColour = parts.every((part) => Number.isInteger(part) && Number(part) <= 255);
  return isColour ? { kind: "rgb", css: `rgb(${parts.join(" ")})` } : undefined;
}
