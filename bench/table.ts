import { judge, summarise, type Finding, type Target } from "./finding.ts";

const headings = ["what", "ours", "p95", "floor", "p95", "ratio", "target", ""] as const;

/** Medians and 95th percentiles, a line per finding. */
export function printTable(findings: readonly Finding[]): string {
  const rows = findings.map(cellsOf);
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return column === 0 ? cell.padEnd(width) : cell.padStart(width);
      })
      .join("  ")
      .trimEnd();
  const rule = widths.map((width) => "-".repeat(width));
  return [headings, rule, ...rows].map(line).join("\n");
}

function cellsOf(finding: Finding): string[] {
  const { what, unit, ours, floor, target } = finding;
  const own = summarise(ours);
  const least = floor === undefined ? undefined : summarise(floor);
  const show = (value: number | undefined) =>
    value === undefined ? "" : `${shorten(value)} ${unit}`;
  const verdict = judge(finding);
  return [
    what,
    show(own.median),
    show(own.p95),
    show(least?.median),
    show(least?.p95),
    least === undefined ? "" : (own.median / least.median).toFixed(2),
    target === undefined ? "" : nameTarget(target, unit),
    verdict === undefined ? "" : verdict.met ? "met" : "MISSED",
  ];
}

function nameTarget(target: Target, unit: string): string {
  switch (target.kind) {
    case "times":
      return `≤ ${String(target.most)} ×`;
    case "above":
      return `≤ floor + ${String(target.most)} ${unit}`;
    case "absolute":
      return `≤ ${String(target.most)} ${unit}`;
    case "least":
      return `≥ ${String(target.least)} ${unit}`;
  }
}

/** Three digits are more than the machine's noise leaves. */
function shorten(value: number): string {
  return value.toFixed(Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2);
}
