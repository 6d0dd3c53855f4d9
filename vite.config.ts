// Builds the monitor into static files, which the server hands out as they are.
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defineConfig, type Plugin } from "vite";

const root = import.meta.dirname;

export default defineConfig({
  root: join(root, "src/monitor"),
  base: "/",
  clearScreen: false,
  // The server puts a fresh value in its place with each answer.
  html: { cspNonce: "FACTORY_NONCE" },
  build: {
    outDir: join(root, "dist/monitor"),
    emptyOutDir: true,
    target: "es2023",
    // An inlined file would be a data: address, which the Content-Security-Policy refuses.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    rolldownOptions: {
      onLog(level, log, handle) {
        // "use client" in libraries speaks to servers that render React, which there is none of here.
        if (log.code !== "MODULE_LEVEL_DIRECTIVE") handle(level, log);
      },
    },
  },
  plugins: [precompress()],
});

/** Beside each file that compresses well, so that no answer costs the server more than a read. */
function precompress(): Plugin {
  let folder = "";
  return {
    name: "precompress",
    configResolved({ build }) {
      folder = join(build.outDir, build.assetsDir);
    },
    closeBundle() {
      for (const name of readdirSync(folder)) {
        if (!/\.(js|css|svg)$/.test(name)) continue;
        const file = join(folder, name);
        const content = readFileSync(file);
        writeFileSync(`${file}.gz`, gzipSync(content, { level: 9 }));
        const params = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY };
        writeFileSync(`${file}.br`, brotliCompressSync(content, { params }));
      }
    },
  };
}
