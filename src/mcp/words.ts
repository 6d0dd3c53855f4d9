// What several tools take and tell.
import { z } from "zod";

export const unfinishedStatuses = ["QUEUED", "PREPARING", "RUNNING", "WAITING"] as const;
export const statuses = [
  ...unfinishedStatuses,
  "SUCCEEDED",
  "FAILED",
  "CANCELLED",
  "TIMED_OUT",
  "LOST",
] as const;

export function isUnfinished(status: string): boolean {
  return unfinishedStatuses.some((unfinished) => unfinished === status);
}

export const ownerArgument = z.string().describe("The repository's owner.");
export const nameArgument = z.string().describe("The repository's name.");
export const workerArgument = z.string().describe("The worker's name, such as worker-17.");
export const parentArgument = z
  .string()
  .optional()
  .describe(
    "The name under which you dispatch: any, but the same in every call. A worker leaves it out: it is its own name.",
  );

export const permissionShape = z.object({
  id: z.string(),
  title: z.string(),
  options: z.array(z.object({ id: z.string(), name: z.string(), kind: z.string() })),
});
export type Permission = z.output<typeof permissionShape>;

export const permissionFields = "id title options { id name kind }";

export function tellPermission(worker: string, { id, title, options }: Permission): string {
  const choices = options.map((option) => `${option.id} (${option.name})`).join(", ");
  return `${worker} asks: ${shorten(title, 500)}\n  answer_permission(id: "${worker}", requestId: "${id}", optionId: one of ${choices})`;
}

/** Cut with a mark that says so. */
export function shorten(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most)}… (cut)`;
}

/** The lines that there are. */
export function lines(...given: readonly (string | undefined)[]): string {
  return given.filter((line) => line !== undefined && line !== "").join("\n");
}
