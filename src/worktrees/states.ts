import type { WorktreeStatus } from "../generated/prisma/enums.ts";
import type { Transitions } from "../transitions.ts";

export const worktreeTransitions: Transitions<WorktreeStatus> = {
  CREATING: ["READY", "FAILED"],
  READY: ["RUNNING", "REMOVING", "FAILED"],
  RUNNING: ["READY"],
  FAILED: ["CREATING", "REMOVING"],
  REMOVING: ["FAILED"],
};
