-- AlterTable
ALTER TABLE "WorkerSession" ADD COLUMN     "launch" JSONB;
