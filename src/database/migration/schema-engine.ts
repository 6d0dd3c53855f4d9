// Prisma's schema engine as WebAssembly: `prisma migrate` would download a native one at run time.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { bindMigrationAwareSqlAdapterFactory } from "@prisma/driver-adapter-utils";
import type * as Glue from "@prisma/schema-engine-wasm/schema_engine_bg";
import { EngineConnections } from "./engine-connections.ts";

/** The little that is used here of what TypeScript declares for browsers alone. */
declare const WebAssembly: {
  instantiate(
    bytes: Uint8Array,
    imports: Record<string, unknown>,
  ): Promise<{ instance: { exports: { __wbindgen_start(): void } } }>;
};

export interface EngineOptions {
  readonly url: string;
  /** Prisma's schema language. */
  readonly schema?: string;
}

/**
 * Runs `use` with an engine that is connected to the database, and closes every connection after it:
 * an open one would keep the engine's own advisory lock, for which the next engine waits 10 s.
 */
export async function withSchemaEngine<T>(
  { url, schema }: EngineOptions,
  use: (engine: Glue.SchemaEngine) => Promise<T>,
): Promise<T> {
  const { SchemaEngine } = await (loading ??= load());
  const connections = new EngineConnections(url);
  try {
    const engine = await SchemaEngine.new(
      { datamodels: schema === undefined ? undefined : [["schema.prisma", schema]] },
      // Its log lines: what matters in them is in its answers and errors, too.
      () => undefined,
      bindMigrationAwareSqlAdapterFactory(connections),
    );
    try {
      return await use(engine);
    } finally {
      engine.free();
    }
  } catch (error) {
    if (panic === undefined) throw error;
    // WebAssembly itself tells of a panic only "unreachable", and its instance is of no more use.
    const message = `Prisma's schema engine crashed: ${panic}`;
    panic = undefined;
    loading = undefined;
    throw new Error(message, { cause: error });
  } finally {
    await connections.close();
  }
}

let loading: Promise<typeof Glue> | undefined;
let panic: string | undefined;

/** The package's own entry imports the .wasm file as a module, which Node 22 and jest can't do. */
async function load(): Promise<typeof Glue> {
  // What the engine's Rust code calls when it panics.
  Object.assign(globalThis, {
    PRISMA_WASM_PANIC_REGISTRY: {
      set_message(message: string) {
        panic = message;
      },
    },
  });
  const glue = await import("@prisma/schema-engine-wasm/schema_engine_bg");
  const entry = createRequire(import.meta.url).resolve("@prisma/schema-engine-wasm");
  const bytes = await readFile(new URL("schema_engine_bg.wasm", pathToFileURL(entry)));
  const { instance } = await WebAssembly.instantiate(bytes, {
    "./schema_engine_bg.js": { ...glue, ...unreferencedTimers(glue) },
  });
  glue.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start();
  return glue;
}

/**
 * The engine never clears the timer that limits its wait for its lock: after each migration it would keep
 * the process alive for up to 10 s. A wait itself is kept alive by its connection.
 */
function unreferencedTimers(glue: typeof Glue): Record<string, unknown> {
  const names = Object.keys(glue).filter((name) => name.startsWith("__wbg_setTimeout_"));
  const start = (callback: () => void, milliseconds: number) =>
    setTimeout(callback, milliseconds >>> 0).unref();
  return Object.fromEntries(names.map((name) => [name, start]));
}
