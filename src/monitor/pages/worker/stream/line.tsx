// One line, in its colours, with what was looked for marked in it.
import { memo, type CSSProperties } from "react";
import { plainLook, readRuns, type Colour, type Look, type Run } from "./ansi.ts";
import { matchesInLine } from "./search.ts";

interface Highlight {
  readonly pattern: RegExp;
  /** Where in this line the match begins that the person is at. */
  readonly current: number | undefined;
}

interface LineProps {
  readonly text: string;
  readonly look: Look;
  readonly pattern: RegExp | undefined;
  readonly current: number | undefined;
  readonly className?: string;
}

export const Line = memo(function Line({ text, look, pattern, current, className }: LineProps) {
  const { runs } = readRuns(text, look);
  const highlight = pattern === undefined ? undefined : { pattern, current };
  return <div className={`line ${className ?? ""}`}>{show(runs, highlight)}</div>;
});

function show(runs: readonly Run[], highlight: Highlight | undefined) {
  const marks = highlight === undefined ? [] : findMarks(runs, highlight);
  let at = 0;
  return runs.flatMap((run) => {
    const start = at;
    at += run.text.length;
    return cut(run.text, start, marks).map(({ text, from, mark }) => {
      const key = start + from;
      const inside =
        mark === undefined ? (
          text
        ) : (
          <mark data-current={mark.isCurrent ? "" : undefined}>{text}</mark>
        );
      if (run.look === plainLook)
        return mark === undefined ? text : <span key={key}>{inside}</span>;
      return (
        <span key={key} className={classOf(run.look)} style={styleOf(run.look)}>
          {inside}
        </span>
      );
    });
  });
}

interface Mark {
  readonly start: number;
  readonly end: number;
  readonly isCurrent: boolean;
}

function findMarks(runs: readonly Run[], { pattern, current }: Highlight): Mark[] {
  const text = runs.map((run) => run.text).join("");
  return matchesInLine(text, pattern).map((match) => ({
    ...match,
    isCurrent: match.start === current,
  }));
}

interface Piece {
  readonly text: string;
  /** Within its run. */
  readonly from: number;
  readonly mark: Mark | undefined;
}

/** A run begins at `start` of its line; a mark may reach over several runs. */
function cut(text: string, start: number, marks: readonly Mark[]): Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  const add = (to: number, mark: Mark | undefined): void => {
    if (to > from) pieces.push({ text: text.slice(from, to), from, mark });
    from = Math.max(from, to);
  };
  for (const mark of marks) {
    if (mark.end <= start || mark.start >= start + text.length) continue;
    add(Math.max(0, mark.start - start), undefined);
    add(Math.min(text.length, mark.end - start), mark);
  }
  add(text.length, undefined);
  return pieces;
}

function classOf(look: Look): string {
  const names = [
    look.isBold && "is-bold",
    look.isDim && "is-dim",
    look.isItalic && "is-italic",
    look.isUnderlined && "is-underlined",
    look.isStruck && "is-struck",
    look.isInverse && "is-inverse",
    look.colour !== undefined && `has-colour ${nameOf("colour", look.colour)}`,
    look.ground !== undefined && `has-ground ${nameOf("ground", look.ground)}`,
  ];
  return names.filter((name) => name !== false).join(" ");
}

function nameOf(what: "colour" | "ground", colour: Colour): string {
  return colour.kind === "named" ? `${what}-${String(colour.index)}` : `own-${what}`;
}

/** Colours that have no name. Set as properties of the element's style, which the page's policy lets pass. */
function styleOf({ colour, ground }: Look): CSSProperties | undefined {
  if (colour?.kind !== "rgb" && ground?.kind !== "rgb") return undefined;
  const own: CSSProperties & Record<`--own-${string}`, string> = {};
  if (colour?.kind === "rgb") own["--own-colour"] = colour.css;
  if (ground?.kind === "rgb") own["--own-ground"] = ground.css;
  return own;
}
