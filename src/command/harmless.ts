// What agents and remotes say, made fit for a terminal: it may not move the cursor, set a title, fill the clipboard or
// turn the direction of the text.
import { stripVTControlCharacters } from "node:util";

/* eslint-disable no-control-regex -- finding control characters is the purpose */
const breaks = /[\t\n\v\f\r\u0085\u2028\u2029]+/g;
const controls = /[\u0000-\u001f\u007f-\u009f]/g;
const controlsButLines = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;
/* eslint-enable no-control-regex */
const directions = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** One line of plain text. */
export function oneLine(text: string): string {
  return stripVTControlCharacters(text)
    .replace(breaks, " ")
    .replace(controls, "\ufffd")
    .replace(directions, "")
    .trim();
}

/** Plain text with its line breaks and tabs. */
export function plainLines(text: string): string {
  return stripVTControlCharacters(text)
    .replace(/\r\n/g, "\n")
    .replace(controlsButLines, "\ufffd")
    .replace(directions, "");
}
