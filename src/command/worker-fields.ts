// A worker as commands read and show it.
import { counted } from "../counted.ts";
import { span } from "./age.ts";
import { oneLine, plainLines } from "./harmless.ts";
import { styled, type Style } from "./print.ts";

/** Fields of a WorkerSession that every command tells of it. */
export const workerFields = `
  id name status statusReason failureCode agent branch base repositoryName parentSession { name } issue task
  priority attempt timeoutSeconds cleanup push pushedTo exitCode signal summary createdAt startedAt finishedAt
  commitCount uncommittedFileCount usage { inputTokens outputTokens costUsd } diffStatistics { filesChanged additions deletions }`;

export interface Worker {
  readonly name: string;
  readonly status: string;
  readonly statusReason: string | null;
  readonly failureCode: string | null;
  readonly agent: string;
  readonly branch: string;
  readonly repositoryName: string;
  readonly parentSession: { readonly name: string };
  readonly task: string;
  readonly pushedTo: string | null;
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly summary: string | null;
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  /** null before the end, or where it is unknown. */
  readonly commitCount: number | null;
  readonly uncommittedFileCount: number | null;
  readonly usage: {
    readonly inputTokens: number;
    readonly outputTokens: number;
    readonly costUsd: number | null;
  } | null;
  readonly diffStatistics: {
    readonly filesChanged: number;
    readonly additions: number;
    readonly deletions: number;
  } | null;
}

const finalStatuses = ["SUCCEEDED", "FAILED", "CANCELLED", "TIMED_OUT", "LOST"];

export function isFinal(status: string): boolean {
  return finalStatuses.includes(status);
}

const statusStyles: Readonly<Record<string, Style>> = {
  QUEUED: "dim",
  PREPARING: "cyan",
  RUNNING: "blue",
  WAITING: ["bold", "yellow"],
  SUCCEEDED: "green",
  FAILED: "red",
  TIMED_OUT: "red",
  LOST: "red",
  CANCELLED: "dim",
};

export function styleOfStatus(status: string): Style | undefined {
  return statusStyles[status];
}

export function showStatus(status: string): string {
  return styled(statusStyles[status] ?? "reset", status);
}

export interface EndedWorker extends Worker {
  readonly commits: readonly unknown[];
}

/** What became of it, in some lines. */
export function describeEnded(worker: EndedWorker): string {
  const { name, status, statusReason, branch, repositoryName, summary, pushedTo, usage } = worker;
  const { startedAt, finishedAt, diffStatistics: diff } = worker;
  const { commitCount, uncommittedFileCount: files } = worker;
  const reason = statusReason === null ? "" : `: ${oneLine(statusReason)}`;
  const took =
    startedAt === null || finishedAt === null ? "" : ` after ${span(startedAt, finishedAt)}`;
  const facts = [
    commitCount === null || commitCount === 0 ? undefined : counted(commitCount, "commit"),
    files === null || files === 0 ? undefined : counted(files, "uncommitted file"),
    diff === null || diff.filesChanged === 0
      ? undefined
      : `${counted(diff.filesChanged, "file")} changed, +${String(diff.additions)} -${String(diff.deletions)}`,
    pushedTo === null ? undefined : `pushed to ${oneLine(pushedTo)}`,
    usage === null
      ? undefined
      : `${String(usage.inputTokens + usage.outputTokens)} tokens${usage.costUsd === null ? "" : `, ${usage.costUsd.toFixed(2)} USD`}`,
  ].filter((fact) => fact !== undefined);
  return [
    `${name} ${showStatus(status)}${took}${reason}`,
    `  ${repositoryName}, branch ${oneLine(branch)}`,
    ...(facts.length === 0 ? [] : [`  ${facts.join(", ")}`]),
    ...(summary === null ? [] : [indent(plainLines(summary.trim()))]),
  ].join("\n");
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, "  ");
}
