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

/** In a text for a model; the structured answer has the whole. */
const longestDiff = 8_000;

export const permissionShape = z.object({
  id: z.string(),
  title: z.string().describe("The model's words."),
  command: z.string().nullable().describe("What will run."),
  kind: z.string().nullable(),
  locations: z.array(z.string()),
  diff: z.string().nullable(),
  options: z.array(z.object({ id: z.string(), name: z.string(), kind: z.string() })),
});
export type Permission = z.output<typeof permissionShape>;

export const permissionFields = "id title command kind locations diff options { id name kind }";

export function tellPermission(worker: string, permission: Permission): string {
  const { id, title, command, locations, diff, options } = permission;
  const choices = options.map((option) => `${option.id} (${option.name})`).join(", ");
  return lines(
    `${worker} asks: ${shorten(title, 500)}`,
    command === null || command === title ? undefined : `  Runs: ${shorten(command, 8_000)}`,
    locations.length === 0 ? undefined : `  At: ${locations.join(", ")}`,
    diff === null ? undefined : shorten(diff, longestDiff),
    `  answer_permission(id: "${worker}", requestId: "${id}", optionId: one of ${choices})`,
  );
}

/** Cut with a mark that says so. */
export function shorten(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most)}… (cut)`;
}

/** The lines that there are. */
export function lines(...given: readonly (string | undefined)[]): string {
  return given.filter((line) => line !== undefined && line !== "").join("\n");
}
