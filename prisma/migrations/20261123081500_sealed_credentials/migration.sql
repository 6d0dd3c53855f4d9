-- AlterTable
ALTER TABLE "Repository" ADD COLUMN     "credentials" TEXT;
