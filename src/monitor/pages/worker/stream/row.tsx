// What all blocks of the stream are made of.
import type { ReactNode } from "react";
import { plainLook } from "./ansi.ts";
import type { Block, MessageBlock, OutputBlock } from "./blocks.ts";
import { Line } from "./line.tsx";

/** What is looked for in a block. */
export interface Marks {
  readonly pattern: RegExp | undefined;
  /** The match that the person is at, where it is in this block. */
  readonly line: number | undefined;
  readonly start: number | undefined;
}

export interface BlockProps {
  readonly block: Block;
  readonly marks: Marks;
  readonly isOpen: boolean;
  readonly onToggle: (id: number) => void;
  /** The worker has ended: what still runs never will. */
  readonly isOver: boolean;
}

/** A message of yours, or what a tool gave back, is shown so far until more is asked for. */
export const shortLines = 12;

const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

/** When, and what. */
export function Row({
  at,
  className,
  channel,
  role,
  children,
}: {
  at: string;
  className: string;
  channel?: OutputBlock["channel"];
  role?: MessageBlock["role"];
  children: ReactNode;
}) {
  return (
    <div className={`block ${className}`} data-channel={channel} data-role={role}>
      <time className="block-time" dateTime={at}>
        {clock.format(new Date(at))}
      </time>
      <div className="block-body">{children}</div>
    </div>
  );
}

export function Lines({
  lines,
  marks,
  from = 0,
  className,
  lineClass,
}: {
  lines: readonly string[];
  marks: Marks;
  /** Which of the block's lines the first of them is. */
  from?: number;
  className?: string;
  lineClass?: (text: string) => string;
}) {
  return (
    <div className={className}>
      {lines.map((text, at) => (
        <Line
          key={at}
          text={text}
          look={plainLook}
          pattern={marks.pattern}
          current={marks.line === from + at ? marks.start : undefined}
          {...(lineClass !== undefined && { className: lineClass(text) })}
        />
      ))}
    </div>
  );
}

export function reaches({ line }: Marks, shown: number): boolean {
  return line !== undefined && line >= shown;
}

export function More({
  block,
  lines,
  isShort,
  onToggle,
}: {
  block: Block;
  lines: number;
  isShort: boolean;
  onToggle: (id: number) => void;
}) {
  if (lines <= shortLines) return null;
  return (
    <button type="button" className="text-button" onClick={() => onToggle(block.id)}>
      {isShort ? `Show all ${String(lines)} lines` : "Show less"}
    </button>
  );
}
