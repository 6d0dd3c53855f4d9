-- CreateEnum
CREATE TYPE "WorkerSandbox" AS ENUM ('BUBBLEWRAP', 'NONE');

-- CreateEnum
CREATE TYPE "SandboxRequest" AS ENUM ('REQUIRED', 'OFF');

-- AlterTable
ALTER TABLE "Repository" ADD COLUMN     "network" TEXT;

-- AlterTable
ALTER TABLE "Runner" ADD COLUMN     "hasSandbox" BOOLEAN,
ADD COLUMN     "noSandboxReason" TEXT;

-- AlterTable
ALTER TABLE "WorkerSession" ADD COLUMN     "blocked" JSONB NOT NULL DEFAULT '[]',
ADD COLUMN     "network" TEXT,
ADD COLUMN     "sandbox" "WorkerSandbox",
ADD COLUMN     "sandboxRequest" "SandboxRequest";
