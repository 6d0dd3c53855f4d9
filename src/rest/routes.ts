import { eventRoutes } from "./events.ts";
import { repositoryRoutes } from "./repositories.ts";
import type { Route } from "./route.ts";
import { sessionRoutes } from "./sessions.ts";
import { worktreeRoutes } from "./worktrees.ts";

export const routes: readonly Route[] = [
  ...repositoryRoutes,
  ...worktreeRoutes,
  ...sessionRoutes,
  ...eventRoutes,
];
