// What the stream shows, a block for each thing that happened: a message, a tool's call, a stretch of output.
import type { WorkerStatus } from "../../../live/operations.ts";
import { plainText } from "./ansi.ts";
import type { OutputLine } from "./output-lines.ts";

export const kinds = ["message", "thought", "tool", "output", "status", "usage"] as const;
/** By which the stream is filtered. */
export type Kind = (typeof kinds)[number];

export interface Usage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly costUsd: number | null;
}

export interface PermissionRequest {
  readonly id: string;
  readonly title: string;
  readonly command: string | null;
  readonly kind: string | null;
  readonly locations: readonly string[];
  readonly diff: string | null;
  readonly options: readonly {
    readonly id: string;
    readonly name: string;
    readonly kind: string;
  }[];
  readonly answer: string | null;
}

export type ToolCallStatus = "PENDING" | "RUNNING" | "COMPLETED" | "FAILED";

interface Base {
  /** The same for as long as the block is there; another block has another one. */
  readonly id: number;
  /** Of the first of its events. */
  readonly sequence: number;
  readonly at: string;
}

export interface OutputBlock extends Base {
  readonly type: "output";
  readonly channel: "STDOUT" | "STDERR";
  readonly lines: readonly OutputLine[];
  readonly characters: number;
}

export interface MessageBlock extends Base {
  readonly type: "message";
  readonly role: "USER" | "AGENT" | "THOUGHT";
  readonly text: string;
  /** It goes on with the block before it, which has grown too long. */
  readonly goesOn: boolean;
}

export interface ToolBlock extends Base {
  readonly type: "tool";
  readonly toolCallId: string;
  readonly title: string;
  readonly toolKind: string | null;
  readonly status: ToolCallStatus;
  /** What each of its events told. */
  readonly contents: readonly string[];
}

export interface PermissionBlock extends Base {
  readonly type: "permission";
  readonly request: PermissionRequest;
}

export interface StatusBlock extends Base {
  readonly type: "status";
  readonly status: WorkerStatus;
  readonly reason: string | null;
}

export interface UsageBlock extends Base {
  readonly type: "usage";
  readonly usage: Usage;
}

export interface ReportBlock extends Base {
  readonly type: "report";
  readonly message: string;
  readonly outcome: "SUCCEEDED" | "FAILED" | null;
}

/** Something is missing here. */
export interface GapBlock extends Base {
  readonly type: "gap";
  readonly text: string;
}

export type Block =
  | OutputBlock
  | MessageBlock
  | ToolBlock
  | PermissionBlock
  | StatusBlock
  | UsageBlock
  | ReportBlock
  | GapBlock;

export function kindOf(block: Block): Kind | undefined {
  switch (block.type) {
    case "message":
      return block.role === "THOUGHT" ? "thought" : "message";
    case "report":
      return "message";
    case "tool":
    case "permission":
      return "tool";
    case "output":
    case "status":
    case "usage":
      return block.type;
    case "gap":
      return undefined;
  }
}

/** Its text, line by line, as it is shown and searched. */
export function linesOf(block: Block): string[] {
  return rawLinesOf(block).map(plainText);
}

function rawLinesOf(block: Block): readonly string[] {
  switch (block.type) {
    case "output":
      return block.lines.map(({ raw }) => raw);
    case "message":
      return block.text.split("\n");
    case "tool":
      return [block.title, ...block.contents.flatMap((content) => content.split("\n"))];
    case "permission":
      return [block.request.title];
    case "status":
      return [block.reason ?? ""];
    case "usage":
      return [];
    case "report":
      return block.message.split("\n");
    case "gap":
      return [block.text];
  }
}

/** About how many lines, without reading all of them. */
export function countLines(block: Block): number {
  switch (block.type) {
    case "output":
      return block.lines.length;
    case "message":
      return 1 + countBreaks(block.text);
    case "tool":
      return 1 + block.contents.reduce((sum, content) => sum + 1 + countBreaks(content), 0);
    case "report":
      return 1 + countBreaks(block.message);
    case "permission":
    case "status":
    case "usage":
    case "gap":
      return 1;
  }
}

export function countCharacters(block: Block): number {
  switch (block.type) {
    case "output":
      return block.characters;
    case "message":
      return block.text.length;
    case "tool":
      return block.contents.reduce((sum, { length }) => sum + length, block.title.length);
    case "report":
      return block.message.length;
    case "permission":
    case "status":
    case "usage":
    case "gap":
      return 100;
  }
}

function countBreaks(text: string): number {
  let count = 0;
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) count += 1;
  return count;
}
