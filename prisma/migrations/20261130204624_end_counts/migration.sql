-- AlterTable
ALTER TABLE "WorkerSession" ADD COLUMN     "commitCount" INTEGER,
ADD COLUMN     "uncommittedFileCount" INTEGER;
