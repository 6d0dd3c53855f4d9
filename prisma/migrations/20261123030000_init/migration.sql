-- CreateEnum
CREATE TYPE "RepositoryStatus" AS ENUM ('CLONING', 'SYNCING', 'SYNCED', 'FAILED', 'REMOVING');

-- CreateEnum
CREATE TYPE "WorktreeStatus" AS ENUM ('CREATING', 'READY', 'RUNNING', 'REMOVING', 'FAILED');

-- CreateEnum
CREATE TYPE "WorkerStatus" AS ENUM ('QUEUED', 'PREPARING', 'RUNNING', 'WAITING', 'SUCCEEDED', 'FAILED', 'CANCELLED', 'TIMED_OUT', 'LOST');

-- CreateEnum
CREATE TYPE "WorktreeCleanup" AS ENUM ('KEEP', 'ON_SUCCESS', 'ALWAYS');

-- CreateEnum
CREATE TYPE "ReportOutcome" AS ENUM ('SUCCEEDED', 'FAILED');

-- CreateTable
CREATE TABLE "Runner" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "host" TEXT NOT NULL,
    "version" TEXT NOT NULL,
    "capacity" INTEGER NOT NULL,
    "lastSeenAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Runner_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Stream" (
    "id" UUID NOT NULL,
    "key" TEXT NOT NULL,
    "lastSequence" INTEGER NOT NULL DEFAULT 0,
    "firstSequence" INTEGER NOT NULL DEFAULT 1,

    CONSTRAINT "Stream_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Event" (
    "streamId" UUID NOT NULL,
    "sequence" INTEGER NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "type" TEXT NOT NULL,
    "payload" JSONB NOT NULL,

    CONSTRAINT "Event_pkey" PRIMARY KEY ("streamId","sequence")
);

-- CreateTable
CREATE TABLE "Repository" (
    "id" UUID NOT NULL,
    "owner" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "url" TEXT NOT NULL,
    "status" "RepositoryStatus" NOT NULL,
    "failureCode" TEXT,
    "error" TEXT,
    "defaultBranch" TEXT,
    "headCommit" TEXT,
    "lastSyncedAt" TIMESTAMPTZ(3),
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "streamId" UUID NOT NULL,
    "worktreeStreamId" UUID NOT NULL,

    CONSTRAINT "Repository_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Worktree" (
    "id" UUID NOT NULL,
    "branch" TEXT NOT NULL,
    "path" TEXT NOT NULL,
    "status" "WorktreeStatus" NOT NULL,
    "failureCode" TEXT,
    "error" TEXT,
    "base" TEXT,
    "baseCommit" TEXT,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "repositoryId" UUID NOT NULL,
    "runnerId" UUID NOT NULL,

    CONSTRAINT "Worktree_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "ParentSession" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "streamId" UUID NOT NULL,
    "workerId" UUID,

    CONSTRAINT "ParentSession_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "WorkerSession" (
    "id" UUID NOT NULL,
    "number" SERIAL NOT NULL,
    "status" "WorkerStatus" NOT NULL,
    "statusReason" TEXT,
    "failureCode" TEXT,
    "task" TEXT NOT NULL,
    "agent" TEXT NOT NULL,
    "branch" TEXT NOT NULL,
    "branchGiven" BOOLEAN NOT NULL,
    "base" TEXT,
    "issue" TEXT,
    "priority" INTEGER NOT NULL DEFAULT 0,
    "timeoutSeconds" INTEGER,
    "cleanup" "WorktreeCleanup" NOT NULL DEFAULT 'KEEP',
    "idempotencyKey" TEXT,
    "inputHash" TEXT,
    "attempt" INTEGER NOT NULL DEFAULT 1,
    "summary" TEXT,
    "exitCode" INTEGER,
    "signal" TEXT,
    "reportedOutcome" "ReportOutcome",
    "cancelRequestedAt" TIMESTAMPTZ(3),
    "cancelReason" TEXT,
    "startCommit" TEXT,
    "commits" JSONB NOT NULL DEFAULT '[]',
    "inputTokens" INTEGER,
    "outputTokens" INTEGER,
    "costUsd" DOUBLE PRECISION,
    "tokenHash" TEXT,
    "stdoutOffset" BIGINT NOT NULL DEFAULT 0,
    "stderrOffset" BIGINT NOT NULL DEFAULT 0,
    "createdAt" TIMESTAMPTZ(6) NOT NULL DEFAULT transaction_timestamp(),
    "startedAt" TIMESTAMPTZ(3),
    "finishedAt" TIMESTAMPTZ(3),
    "streamId" UUID NOT NULL,
    "parentSessionId" UUID NOT NULL,
    "parentWorkerId" UUID,
    "ancestorIds" UUID[] DEFAULT ARRAY[]::UUID[],
    "repositoryId" UUID,
    "repositoryOwner" TEXT NOT NULL,
    "repositoryName" TEXT NOT NULL,
    "worktreeId" UUID,
    "runnerId" UUID,
    "previousId" UUID,

    CONSTRAINT "WorkerSession_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "Runner_name_key" ON "Runner"("name");

-- CreateIndex
CREATE UNIQUE INDEX "Stream_key_key" ON "Stream"("key");

-- CreateIndex
CREATE UNIQUE INDEX "Repository_key_key" ON "Repository"("key");

-- CreateIndex
CREATE UNIQUE INDEX "Repository_streamId_key" ON "Repository"("streamId");

-- CreateIndex
CREATE UNIQUE INDEX "Repository_worktreeStreamId_key" ON "Repository"("worktreeStreamId");

-- CreateIndex
CREATE INDEX "Repository_status_id_idx" ON "Repository"("status", "id");

-- CreateIndex
CREATE INDEX "Worktree_repositoryId_id_idx" ON "Worktree"("repositoryId", "id");

-- CreateIndex
CREATE INDEX "Worktree_runnerId_status_idx" ON "Worktree"("runnerId", "status");

-- CreateIndex
CREATE INDEX "Worktree_status_id_idx" ON "Worktree"("status", "id");

-- CreateIndex
CREATE UNIQUE INDEX "Worktree_repositoryId_branch_runnerId_key" ON "Worktree"("repositoryId", "branch", "runnerId");

-- CreateIndex
CREATE UNIQUE INDEX "ParentSession_name_key" ON "ParentSession"("name");

-- CreateIndex
CREATE UNIQUE INDEX "ParentSession_streamId_key" ON "ParentSession"("streamId");

-- CreateIndex
CREATE UNIQUE INDEX "ParentSession_workerId_key" ON "ParentSession"("workerId");

-- CreateIndex
CREATE UNIQUE INDEX "WorkerSession_number_key" ON "WorkerSession"("number");

-- CreateIndex
CREATE UNIQUE INDEX "WorkerSession_tokenHash_key" ON "WorkerSession"("tokenHash");

-- CreateIndex
CREATE UNIQUE INDEX "WorkerSession_streamId_key" ON "WorkerSession"("streamId");

-- CreateIndex
CREATE INDEX "WorkerSession_parentSessionId_number_idx" ON "WorkerSession"("parentSessionId", "number");

-- CreateIndex
CREATE INDEX "WorkerSession_repositoryId_number_idx" ON "WorkerSession"("repositoryId", "number");

-- CreateIndex
CREATE INDEX "WorkerSession_worktreeId_number_idx" ON "WorkerSession"("worktreeId", "number");

-- CreateIndex
CREATE INDEX "WorkerSession_status_number_idx" ON "WorkerSession"("status", "number");

-- CreateIndex
CREATE INDEX "WorkerSession_runnerId_status_idx" ON "WorkerSession"("runnerId", "status");

-- CreateIndex
CREATE INDEX "WorkerSession_previousId_idx" ON "WorkerSession"("previousId");

-- CreateIndex
CREATE INDEX "WorkerSession_parentWorkerId_number_idx" ON "WorkerSession"("parentWorkerId", "number");

-- CreateIndex
CREATE INDEX "WorkerSession_ancestorIds_idx" ON "WorkerSession" USING GIN ("ancestorIds");

-- CreateIndex
CREATE UNIQUE INDEX "WorkerSession_parentSessionId_idempotencyKey_key" ON "WorkerSession"("parentSessionId", "idempotencyKey");

-- AddForeignKey
ALTER TABLE "Event" ADD CONSTRAINT "Event_streamId_fkey" FOREIGN KEY ("streamId") REFERENCES "Stream"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Repository" ADD CONSTRAINT "Repository_streamId_fkey" FOREIGN KEY ("streamId") REFERENCES "Stream"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Repository" ADD CONSTRAINT "Repository_worktreeStreamId_fkey" FOREIGN KEY ("worktreeStreamId") REFERENCES "Stream"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Worktree" ADD CONSTRAINT "Worktree_repositoryId_fkey" FOREIGN KEY ("repositoryId") REFERENCES "Repository"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Worktree" ADD CONSTRAINT "Worktree_runnerId_fkey" FOREIGN KEY ("runnerId") REFERENCES "Runner"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "ParentSession" ADD CONSTRAINT "ParentSession_streamId_fkey" FOREIGN KEY ("streamId") REFERENCES "Stream"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "ParentSession" ADD CONSTRAINT "ParentSession_workerId_fkey" FOREIGN KEY ("workerId") REFERENCES "WorkerSession"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "WorkerSession" ADD CONSTRAINT "WorkerSession_streamId_fkey" FOREIGN KEY ("streamId") REFERENCES "Stream"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "WorkerSession" ADD CONSTRAINT "WorkerSession_parentSessionId_fkey" FOREIGN KEY ("parentSessionId") REFERENCES "ParentSession"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "WorkerSession" ADD CONSTRAINT "WorkerSession_parentWorkerId_fkey" FOREIGN KEY ("parentWorkerId") REFERENCES "WorkerSession"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "WorkerSession" ADD CONSTRAINT "WorkerSession_repositoryId_fkey" FOREIGN KEY ("repositoryId") REFERENCES "Repository"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "WorkerSession" ADD CONSTRAINT "WorkerSession_worktreeId_fkey" FOREIGN KEY ("worktreeId") REFERENCES "Worktree"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "WorkerSession" ADD CONSTRAINT "WorkerSession_runnerId_fkey" FOREIGN KEY ("runnerId") REFERENCES "Runner"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "WorkerSession" ADD CONSTRAINT "WorkerSession_previousId_fkey" FOREIGN KEY ("previousId") REFERENCES "WorkerSession"("id") ON DELETE SET NULL ON UPDATE CASCADE;
