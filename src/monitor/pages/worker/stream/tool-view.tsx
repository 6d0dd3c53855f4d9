import {
  Check,
  CircleDashed,
  FilePen,
  FileText,
  Globe,
  Lightbulb,
  ListChecks,
  Loader,
  Search,
  SquareTerminal,
  Trash2,
  Wrench,
  X,
  type LucideIcon,
} from "lucide-react";
import type { ToolBlock, ToolCallStatus } from "./blocks.ts";
import { Lines, More, reaches, Row, shortLines, type BlockProps } from "./row.tsx";

const toolIcons: Readonly<Record<string, LucideIcon>> = {
  read: FileText,
  edit: FilePen,
  delete: Trash2,
  execute: SquareTerminal,
  search: Search,
  fetch: Globe,
  think: Lightbulb,
  plan: ListChecks,
};

export function Tool({
  block,
  marks,
  isOpen,
  onToggle,
  isOver,
}: BlockProps & { block: ToolBlock }) {
  const Icon = toolIcons[block.toolKind ?? ""] ?? Wrench;
  const lines = block.contents.flatMap((content) => content.split("\n"));
  const isPlan = block.toolKind === "plan";
  const isShort = !isPlan && !isOpen && !reaches(marks, shortLines + 1);
  return (
    <Row at={block.at} className="tool-block">
      <div className="tool-head">
        <Icon size={14} aria-hidden="true" className="tool-icon" />
        <Lines lines={[block.title]} marks={marks} className="tool-title" />
        <ToolStatus status={block.status} isOver={isOver} />
      </div>
      {lines.length > 0 && (
        <Lines
          lines={isShort ? lines.slice(0, shortLines) : lines}
          marks={marks}
          from={1}
          className={isPlan ? "plan" : "tool-content"}
          lineClass={isPlan ? planClass : block.toolKind === "edit" ? changeClass : noClass}
        />
      )}
      {!isPlan && <More block={block} lines={lines.length} isShort={isShort} onToggle={onToggle} />}
    </Row>
  );
}

/** Edits are told as lines with a sign in front. */
function changeClass(text: string): string {
  return text.startsWith("+") ? "is-added" : text.startsWith("-") ? "is-removed" : "";
}

function planClass(text: string): string {
  return text.startsWith("- [x]") ? "is-done" : text.startsWith("- [~]") ? "is-begun" : "";
}

function noClass(): string {
  return "";
}

const toolStatuses = {
  PENDING: { words: "not begun", Icon: CircleDashed },
  RUNNING: { words: "running", Icon: Loader },
  COMPLETED: { words: "done", Icon: Check },
  FAILED: { words: "failed", Icon: X },
} as const;

function ToolStatus({ status, isOver }: { status: ToolCallStatus; isOver: boolean }) {
  const isLeft = isOver && (status === "PENDING" || status === "RUNNING");
  const { words, Icon } = isLeft
    ? { words: "not ended", Icon: CircleDashed }
    : toolStatuses[status];
  return (
    <span className="tool-status" data-status={isLeft ? "LEFT" : status}>
      <Icon size={13} aria-hidden="true" />
      {words}
    </span>
  );
}
