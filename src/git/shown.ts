// What a worker named, as a person may see it.
const longestName = 100;

/** It may hold what moves a terminal's cursor, or be very long. */
export function shown(name: string): string {
  const text = name.replace(/[\p{Cc}\p{Cf}]/gu, "\uFFFD");
  return text.length <= longestName ? text : `${text.slice(0, longestName - 1).toWellFormed()}…`;
}

/** Of a name in which each byte is a character (latin1). */
export function toText(bytes: string): string {
  return Buffer.from(bytes, "latin1").toString("utf8");
}
