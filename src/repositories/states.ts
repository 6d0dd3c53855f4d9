import type { RepositoryStatus } from "../generated/prisma/enums.ts";
import type { Transitions } from "../transitions.ts";

export const repositoryTransitions: Transitions<RepositoryStatus> = {
  CLONING: ["SYNCED", "FAILED"],
  SYNCED: ["SYNCING", "REMOVING"],
  SYNCING: ["SYNCED", "FAILED"],
  FAILED: ["CLONING", "SYNCING", "REMOVING"],
  REMOVING: ["FAILED"],
};
