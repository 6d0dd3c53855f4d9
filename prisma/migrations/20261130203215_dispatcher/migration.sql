-- AlterTable
ALTER TABLE "WorkerSession" ADD COLUMN     "dispatcherId" UUID;
