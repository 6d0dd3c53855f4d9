import type DataLoader from "dataloader";
import type { AgentListing } from "../agents/definition.ts";
import type { Viewer } from "../access/viewer.ts";
import type { PrismaClient } from "../database/client.ts";
import type { EventLog } from "../events/follow.ts";
import type { StoredEvent } from "../events/read.ts";
import type { Notices } from "../events/notices.ts";
import type { WorkerMessage, Worktree } from "../generated/prisma/client.ts";
import type { WorktreeState } from "../git/git.ts";
import type { MaintenanceService } from "../maintenance/service.ts";
import type { RepositoryService } from "../repositories/service.ts";
import type { AgentDirectory } from "../runners/agents.ts";
import type { PermissionRequestPayload, WorkerUsagePayload } from "../workers/events.ts";
import type { ParentService } from "../workers/parents.ts";
import type { WorkerCounts, WorkerService } from "../workers/service.ts";
import type { WorktreeService } from "../worktrees/service.ts";

/** What one server is made of, below its edge. */
export interface Services {
  readonly prisma: PrismaClient;
  readonly events: EventLog;
  readonly notices: Notices;
  readonly repositories: RepositoryService;
  readonly worktrees: WorktreeService;
  readonly workers: WorkerService;
  readonly parents: ParentService;
  readonly maintenance: Pick<MaintenanceService, "run">;
  readonly agents: AgentDirectory;
}

/** What a resolver has at hand. */
export interface Context extends Services {
  readonly viewer: Viewer;
  readonly loaders: Loaders;
  /** Aborted when the client is gone, with a FactoryError as its reason. */
  readonly signal: AbortSignal;
}

/** Each reads once for all fields of one request that ask for the same. */
export interface Loaders {
  /** By session id: why a queued session waits; null for one that isn't queued. */
  readonly queueReason: DataLoader<string, string | null>;
  readonly pendingPermissions: DataLoader<string, readonly PermissionRequestPayload[]>;
  /** By the session's stream: its latest changes of status, oldest first. */
  readonly statusEvents: DataLoader<string, readonly StoredEvent[]>;
  readonly waitingMessages: DataLoader<string, readonly WorkerMessage[]>;
  /** By parent session id. */
  readonly workerCounts: DataLoader<string, WorkerCounts>;
  /** By parent session id; null where none of its workers tells any. */
  readonly parentUsage: DataLoader<string, WorkerUsagePayload | null>;
  /** By its name; null: no server that is there knows it. */
  readonly agent: DataLoader<string, AgentListing | null>;
  readonly worktreeState: DataLoader<Worktree, WorktreeState | null, string>;
}
