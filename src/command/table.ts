// Tables without lines: for people on a terminal, and for grep.
import Table from "cli-table3";
import { oneLine } from "./harmless.ts";
import { isTerminal, say, styled, type Style } from "./print.ts";

export interface Column<Row> {
  readonly title: string;
  readonly text: (row: Row) => string | number | null;
  readonly style?: ((row: Row) => Style | undefined) | undefined;
  /** Gives way where the terminal is too narrow for all: to be cut down to so many columns. */
  readonly least?: number;
}

const gap = 2;
/** A drawn table takes time that grows with the square of its rows. */
const rowsAtOnce = 100;

const noLines = {
  top: "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  bottom: "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  left: "",
  "left-mid": "",
  mid: "",
  "mid-mid": "",
  right: "",
  "right-mid": "",
  middle: " ".repeat(gap),
};

export async function printTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
): Promise<void> {
  for (const line of await drawTable(columns, rows, terminalWidth())) say(line);
}

/** undefined: nothing is cut, since programs read it. */
function terminalWidth(): number | undefined {
  return isTerminal() ? process.stdout.columns || 80 : undefined;
}

/** A line for the titles, and one for each row. */
export async function drawTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width: number | undefined,
): Promise<string[]> {
  const titles = columns.map(({ title }) => title);
  const cells = rows.map((row) => columns.map(({ text }) => oneLine(String(text(row) ?? ""))));
  const measure = await measureFor([titles, ...cells].flat());
  const natural = columns.map((_, index) =>
    Math.max(...[titles, ...cells].map((line) => measure(line[index] ?? ""))),
  );
  const widths = width === undefined ? natural : shrink(columns, natural, width);
  const lines = [
    titles.map((title) => styled("dim", title)),
    ...cells.map((line, row) => line.map((text, index) => paint(text, rows[row], columns[index]))),
  ];
  return chunk(lines, rowsAtOnce).flatMap((some) => draw(some, widths));
}

function draw(lines: readonly string[][], widths: readonly number[]): string[] {
  const table = new Table({
    // 0 would mean that it may choose.
    colWidths: widths.map((width) => Math.max(width, 1)),
    chars: noLines,
    style: { "padding-left": 0, "padding-right": 0, head: [], border: [] },
  });
  table.push(...lines);
  return table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd());
}

function paint<Row>(text: string, row: Row | undefined, column: Column<Row> | undefined): string {
  const style = row === undefined || text === "" ? undefined : column?.style?.(row);
  return style === undefined ? text : styled(style, text);
}

/** Widths that fit, taken from the widest of those columns that may be cut. */
function shrink<Row>(
  columns: readonly Column<Row>[],
  natural: readonly number[],
  width: number,
): number[] {
  const widths = [...natural];
  let excess = sum(widths) + gap * (widths.length - 1) - width;
  while (excess > 0) {
    const candidates = columns.flatMap(({ least }, index) =>
      least !== undefined && (widths[index] ?? 0) > least ? [index] : [],
    );
    const widest = candidates.toSorted((a, b) => (widths[b] ?? 0) - (widths[a] ?? 0))[0];
    if (widest === undefined) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
    excess -= 1;
  }
  return widths;
}

/** Columns of the terminal. What measures more than ASCII takes long to load. */
async function measureFor(texts: readonly string[]): Promise<(text: string) => number> {
  if (texts.every((text) => /^[\x20-\x7e]*$/.test(text))) return (text) => text.length;
  const { default: stringWidth } = await import("string-width");
  return (text) => stringWidth(text);
}

function chunk<Item>(items: readonly Item[], size: number): Item[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
