-- AlterTable
ALTER TABLE "WorkerSession" ADD COLUMN     "agentPush" BOOLEAN NOT NULL DEFAULT false;
