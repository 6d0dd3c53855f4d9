// Prisma's command would download a native engine that nothing here uses (migrations run through the
// WASM engine, see src/database/migrate.ts). Any existing program in this variable stops the download.
process.env["PRISMA_SCHEMA_ENGINE_BINARY"] ??= process.execPath;

import { defineConfig } from "prisma/config";

export default defineConfig({ schema: "prisma/schema.prisma" });
