import type { AgentAction } from "../agents/talk.ts";
import type { ReportOutcome, WorkerStatus } from "../generated/prisma/enums.ts";

// What the streams of workers and parents hold. Written and read in this folder alone.

export interface WorkerStatusPayload {
  readonly previousStatus: WorkerStatus | null;
  readonly status: WorkerStatus;
  readonly reason: string | null;
  // With the final status alone, and not in events from before there were these. null: unknown.
  readonly commitCount?: number | null;
  readonly uncommittedFileCount?: number | null;
  /** Its beginning. */
  readonly summary?: string | null;
}
export interface WorkerOutputPayload {
  readonly channel: "STDOUT" | "STDERR";
  readonly text: string;
}
export interface WorkerReportPayload {
  readonly message: string;
  readonly outcome: ReportOutcome | null;
}
export interface WorkerMessagePayload {
  readonly role: "USER" | "AGENT" | "THOUGHT";
  readonly text: string;
}
export interface WorkerToolCallPayload {
  readonly toolCallId: string;
  readonly title: string;
  readonly kind: string | null;
  readonly toolCallStatus: "PENDING" | "RUNNING" | "COMPLETED" | "FAILED";
  readonly content: string | null;
}
export interface WorkerUsagePayload {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly costUsd: number | null;
}
/** None of it in events from before it was read. */
export interface PermissionRequestPayload extends Partial<AgentAction> {
  readonly id: string;
  readonly title: string;
  readonly options: readonly {
    readonly id: string;
    readonly name: string;
    readonly kind: string;
  }[];
  readonly answer: string | null;
}
export interface WorkerPermissionPayload {
  readonly request: PermissionRequestPayload;
}

export interface WorkerBlockedPayload {
  readonly host: string;
  readonly port: number;
  readonly reason: "unlisted" | "private";
}

/** A worker's event, by its type. */
export interface WorkerEventPayloads {
  readonly status: WorkerStatusPayload;
  readonly output: WorkerOutputPayload;
  readonly report: WorkerReportPayload;
  readonly message: WorkerMessagePayload;
  readonly toolCall: WorkerToolCallPayload;
  readonly usage: WorkerUsagePayload;
  readonly permission: WorkerPermissionPayload;
  readonly blocked: WorkerBlockedPayload;
}

export interface ParentEventPayload extends WorkerStatusPayload {
  readonly workerId: string;
  readonly report: string | null;
  readonly outcome: ReportOutcome | null;
  /** Left out where nothing was asked. */
  readonly permission?: PermissionRequestPayload;
}

export const parentEventType = "worker";

export function workerStreamKey(number: number): string {
  return `worker:${String(number)}`;
}

export function parentStreamKey(name: string): string {
  return `parent:${name}`;
}

/** The topic on which a session's runner hears that something is asked of it. */
export function workerTopic(workerId: string): string {
  return `control:${workerId}`;
}

/** The topic on which those who deliver to webhooks hear that one was set. */
export const webhooksTopic = "webhooks";

/** The topic on which runners hear that there may be something to take. */
export const queueTopic = "queue";
