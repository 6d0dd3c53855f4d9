-- AlterTable
ALTER TABLE "Runner" ADD COLUMN     "waitReason" TEXT;
