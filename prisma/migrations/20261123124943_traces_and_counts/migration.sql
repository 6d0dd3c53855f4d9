-- AlterTable
ALTER TABLE "WorkerSession" ADD COLUMN     "traceparent" TEXT;

-- CreateIndex
CREATE INDEX "WorkerSession_status_agent_idx" ON "WorkerSession"("status", "agent");
