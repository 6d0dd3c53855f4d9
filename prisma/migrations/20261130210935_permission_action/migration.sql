-- AlterTable
ALTER TABLE "PermissionRequest" ADD COLUMN     "action" JSONB;
