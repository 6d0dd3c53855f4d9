import { useEffect, useMemo, useState } from "react";
import type { Block } from "./blocks.ts";
import { createFinder, matchesInBlock, patternOf, type Found, type Match } from "./search.ts";

export interface Search {
  readonly query: string;
  readonly pattern: RegExp | undefined;
  readonly current: Match | undefined;
  /** What is found, in words. */
  readonly words: string;
  readonly setQuery: (query: string) => void;
  /** @param from where the person is: the first match that is gone to is there or after it */
  readonly move: (step: 1 | -1, from: number | undefined) => void;
}

interface Result {
  readonly pattern: RegExp;
  readonly found: readonly Found[];
  readonly isDone: boolean;
}

/** @param isCatchingUp more is coming that was there before */
export function useSearch(blocks: readonly Block[], isCatchingUp: boolean): Search {
  const [query, setQuery] = useState("");
  const pattern = useMemo(() => patternOf(query), [query]);
  const finder = useMemo(() => (pattern ? createFinder(pattern) : undefined), [pattern]);
  const [result, setResult] = useState<Result | undefined>(undefined);
  const [chosen, setChosen] = useState<Match | undefined>(undefined);

  useEffect(() => {
    if (finder === undefined || pattern === undefined) return undefined;
    finder.find(blocks, (found, isDone) => setResult({ pattern, found, isDone }));
    return () => finder.stop();
  }, [finder, pattern, blocks]);

  const own = result?.pattern === pattern ? result : undefined;
  const found = own?.found ?? none;
  const place = chosen && found.find(({ block }) => block.id === chosen.blockId);
  const inside = useMemo(
    () => (place && pattern ? matchesInBlock(place.block, pattern) : []),
    [place, pattern],
  );
  // Of another query the match that is there or comes next.
  const index = chosen === undefined ? -1 : inside.findIndex((match) => !isBefore(match, chosen));

  function move(step: 1 | -1, from: number | undefined): void {
    const all = countOf(found);
    if (all === 0 || pattern === undefined) return;
    const next =
      place === undefined || index === -1
        ? firstFrom(blocks, found, from)
        : place.before + index + step;
    setChosen(matchAt(found, (next + all) % all, pattern));
  }

  return {
    query,
    pattern,
    current: inside[index],
    words: tell(
      pattern,
      own && { ...own, isDone: own.isDone && !isCatchingUp },
      place && index !== -1 ? place.before + index : undefined,
    ),
    setQuery,
    move,
  };
}

const none: readonly Found[] = [];

function countOf(found: readonly Found[]): number {
  const last = found.at(-1);
  return last === undefined ? 0 : last.before + last.count;
}

function matchAt(found: readonly Found[], number: number, pattern: RegExp): Match | undefined {
  const place = found.findLast(({ before }) => before <= number);
  return place && matchesInBlock(place.block, pattern)[number - place.before];
}

function isBefore(one: Match, other: Match): boolean {
  return one.line === other.line ? one.start < other.start : one.line < other.line;
}

/** Of the first block from there on that has one, else of the first of all. */
function firstFrom(
  blocks: readonly Block[],
  found: readonly Found[],
  from: number | undefined,
): number {
  const start = blocks.findIndex(({ id }) => id === from);
  const places = new Map(blocks.map(({ id }, place) => [id, place]));
  return found.find(({ block }) => (places.get(block.id) ?? -1) >= start)?.before ?? 0;
}

function tell(
  pattern: RegExp | undefined,
  result: Result | undefined,
  at: number | undefined,
): string {
  if (pattern === undefined) return "";
  if (result === undefined) return "Searching";
  const all = countOf(result.found).toLocaleString("en");
  if (!result.isDone) return `Searching: ${all}`;
  if (all === "0") return "Not found";
  return at === undefined ? `${all} found` : `${(at + 1).toLocaleString("en")} of ${all}`;
}
