// Workers as rows.
import { span } from "./age.ts";
import type { Column } from "./table.ts";
import { isFinal, styleOfStatus, type Worker } from "./worker-fields.ts";

export type WorkerRow = Pick<
  Worker,
  | "name"
  | "status"
  | "statusReason"
  | "agent"
  | "branch"
  | "repositoryName"
  | "parentSession"
  | "task"
  | "createdAt"
>;

/** Repository and parent are columns where they differ. */
export function workerColumns(rows: readonly WorkerRow[]): Column<WorkerRow>[] {
  const differ = (read: (row: WorkerRow) => string) => new Set(rows.map(read)).size > 1;
  const repository: Column<WorkerRow> = {
    title: "REPOSITORY",
    text: ({ repositoryName }) => repositoryName,
    least: 10,
  };
  const parent: Column<WorkerRow> = {
    title: "PARENT",
    text: ({ parentSession }) => parentSession.name,
    least: 6,
  };
  return [
    { title: "WORKER", text: ({ name }) => name },
    { title: "STATUS", text: ({ status }) => status, style: ({ status }) => styleOfStatus(status) },
    { title: "AGE", text: ({ createdAt }) => span(createdAt) },
    { title: "AGENT", text: ({ agent }) => agent, least: 6 },
    ...(differ(({ parentSession }) => parentSession.name) ? [parent] : []),
    ...(differ(({ repositoryName }) => repositoryName) ? [repository] : []),
    { title: "BRANCH", text: ({ branch }) => branch, least: 10 },
    { title: "TASK", text: tellTask, least: 12 },
  ];
}

/** What is to be done, behind what stands in the way. */
function tellTask({ status, statusReason, task }: WorkerRow): string {
  // A reason that only says that all is well is none to read.
  const isTelling = statusReason !== null && status !== "SUCCEEDED" && status !== "RUNNING";
  // The lines after the first hardly ever fit, and may be many.
  const start = task.trimStart().slice(0, 500);
  if (!isTelling) return start;
  return isFinal(status) ? `${statusReason}: ${start}` : `(${statusReason}) ${start}`;
}
