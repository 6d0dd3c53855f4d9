-- AlterTable
ALTER TABLE "WorkerSession" ADD COLUMN     "maxCpus" DOUBLE PRECISION,
ADD COLUMN     "maxMemoryMib" INTEGER,
ADD COLUMN     "maxProcesses" INTEGER;
