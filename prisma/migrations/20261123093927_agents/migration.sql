-- CreateEnum
CREATE TYPE "PermissionPolicy" AS ENUM ('ASK', 'ALLOW', 'DENY');

-- AlterTable
ALTER TABLE "ParentSession" ADD COLUMN     "maxCostUsd" DOUBLE PRECISION,
ADD COLUMN     "webhookSecret" TEXT,
ADD COLUMN     "webhookUrl" TEXT;

-- AlterTable
ALTER TABLE "WorkerSession" ADD COLUMN     "conversationId" TEXT,
ADD COLUMN     "filesChanged" INTEGER,
ADD COLUMN     "linesAdded" INTEGER,
ADD COLUMN     "linesRemoved" INTEGER,
ADD COLUMN     "maxCostUsd" DOUBLE PRECISION,
ADD COLUMN     "maxTurns" INTEGER,
ADD COLUMN     "permissions" "PermissionPolicy",
ADD COLUMN     "protocol" TEXT,
ADD COLUMN     "push" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "pushedTo" TEXT,
ADD COLUMN     "talk" JSONB;

-- CreateTable
CREATE TABLE "WorkerMessage" (
    "id" UUID NOT NULL,
    "text" TEXT NOT NULL,
    "idempotencyKey" TEXT,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "deliveredAt" TIMESTAMPTZ(3),
    "sessionId" UUID NOT NULL,

    CONSTRAINT "WorkerMessage_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "PermissionRequest" (
    "id" UUID NOT NULL,
    "requestId" TEXT NOT NULL,
    "attempt" INTEGER NOT NULL,
    "title" TEXT NOT NULL,
    "options" JSONB NOT NULL,
    "answer" TEXT,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "answeredAt" TIMESTAMPTZ(3),
    "sessionId" UUID NOT NULL,

    CONSTRAINT "PermissionRequest_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "WorkerMessage_sessionId_id_idx" ON "WorkerMessage"("sessionId", "id");

-- CreateIndex
CREATE UNIQUE INDEX "WorkerMessage_sessionId_idempotencyKey_key" ON "WorkerMessage"("sessionId", "idempotencyKey");

-- CreateIndex
CREATE UNIQUE INDEX "PermissionRequest_sessionId_requestId_key" ON "PermissionRequest"("sessionId", "requestId");

-- AddForeignKey
ALTER TABLE "WorkerMessage" ADD CONSTRAINT "WorkerMessage_sessionId_fkey" FOREIGN KEY ("sessionId") REFERENCES "WorkerSession"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "PermissionRequest" ADD CONSTRAINT "PermissionRequest_sessionId_fkey" FOREIGN KEY ("sessionId") REFERENCES "WorkerSession"("id") ON DELETE CASCADE ON UPDATE CASCADE;
