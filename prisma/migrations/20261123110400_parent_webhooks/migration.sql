-- Columns that no version has written: a webhook has a row of its own.
-- AlterTable
ALTER TABLE "ParentSession" DROP COLUMN "webhookSecret",
DROP COLUMN "webhookUrl";

-- CreateTable
CREATE TABLE "ParentWebhook" (
    "parentSessionId" UUID NOT NULL,
    "url" TEXT NOT NULL,
    "secret" TEXT,
    "deliveredSequence" INTEGER NOT NULL,
    "failures" INTEGER NOT NULL DEFAULT 0,
    "failingSince" TIMESTAMPTZ(3),
    "error" TEXT,
    "endedAt" TIMESTAMPTZ(3),
    "lease" UUID,
    "leaseEndsAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "triedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "ParentWebhook_pkey" PRIMARY KEY ("parentSessionId")
);

-- AddForeignKey
ALTER TABLE "ParentWebhook" ADD CONSTRAINT "ParentWebhook_parentSessionId_fkey" FOREIGN KEY ("parentSessionId") REFERENCES "ParentSession"("id") ON DELETE CASCADE ON UPDATE CASCADE;
