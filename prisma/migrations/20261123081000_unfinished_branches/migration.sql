-- The branches that unfinished sessions hold: every dispatch asks for a repository's, among all its sessions.
CREATE INDEX "WorkerSession_unfinished_branches" ON "WorkerSession" ("repositoryId", "branch")
  WHERE "finishedAt" IS NULL;
