import type { RepositoryStatus } from "../generated/prisma/enums.ts";

/** What the stream of a repository holds. Written and read here alone. */
export interface RepositoryEvent {
  readonly status: RepositoryStatus;
  /** 0 to 100, where git tells it. */
  readonly progress: number | null;
  readonly message: string | null;
  readonly repositoryId: string;
}

export const repositoryEventType = "repository";

export function repositoryKey(owner: string, name: string): string {
  return `${owner}/${name}`.toLowerCase();
}

export function repositoryStreamKey(owner: string, name: string): string {
  return `repository:${repositoryKey(owner, name)}`;
}

export function worktreeStreamKey(owner: string, name: string): string {
  return `worktrees:${repositoryKey(owner, name)}`;
}
