// Which of the workers are shown.
import type { Worker, WorkerStatus } from "../../live/operations.ts";

export interface Filter {
  readonly text: string;
  /** undefined: any. */
  readonly status: WorkerStatus | undefined;
}

export const everything: Filter = { text: "", status: undefined };

/** Every word must be somewhere in what is known of the worker. */
export function filterWorkers(workers: Iterable<Worker>, { text, status }: Filter): Worker[] {
  const words = text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  return [...workers].filter(
    (worker) =>
      (status === undefined || worker.status === status) &&
      words.every((word) => describe(worker).includes(word)),
  );
}

function describe(worker: Worker): string {
  const { name, agent, task, branch, repositoryName, parentSession, issue } = worker;
  return [name, agent, task, branch, repositoryName, parentSession.name, issue ?? ""]
    .join(" ")
    .toLowerCase();
}
