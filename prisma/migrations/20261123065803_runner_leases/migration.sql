-- AlterTable
ALTER TABLE "Repository" ADD COLUMN     "runnerId" UUID;

-- AlterTable
ALTER TABLE "Runner" ADD COLUMN     "agents" JSONB NOT NULL DEFAULT '[]';

-- AlterTable
ALTER TABLE "WorkerSession" ADD COLUMN     "retries" INTEGER NOT NULL DEFAULT 0;

-- CreateIndex
CREATE INDEX "Repository_runnerId_idx" ON "Repository"("runnerId");

-- AddForeignKey
ALTER TABLE "Repository" ADD CONSTRAINT "Repository_runnerId_fkey" FOREIGN KEY ("runnerId") REFERENCES "Runner"("id") ON DELETE SET NULL ON UPDATE CASCADE;
