// node build/monitor.ts [--if-stale] [--watch]: the monitor's static files, which the server hands out.
import { existsSync } from "node:fs";
import { glob, stat } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";

const root = join(import.meta.dirname, "..");
const sources = ["src/monitor/**/*", "vite.config.ts", "package-lock.json"];
/** Removed at the beginning of a build: one that was cut short is made again. */
const built = join(root, "dist/monitor/index.html");

/** Whether there is no build, or its sources are younger. */
export async function isStale(): Promise<boolean> {
  if (!existsSync(built)) return true;
  const builtAt = await timeOf(built);
  for await (const file of glob(sources, { cwd: root })) {
    if ((await timeOf(join(root, file))) > builtAt) return true;
  }
  return false;
}

async function timeOf(file: string): Promise<number> {
  return (await stat(file)).mtimeMs;
}

/** Some seconds; with `watch` also after every change, until the process is ended. */
export async function buildMonitor({ watch = false } = {}): Promise<void> {
  // Whatever it is here, such as "test" below jest: with another one it would hold React's slow half.
  process.env["NODE_ENV"] = "production";
  const { build } = await import("vite");
  await build({
    configFile: join(root, "vite.config.ts"),
    logLevel: "warn",
    build: { watch: watch ? {} : null },
  });
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { "if-stale": { type: "boolean" }, watch: { type: "boolean" } },
  });
  if (values["if-stale"] === true && !(await isStale())) return;
  if (values["if-stale"] === true && !isInstalled("vite")) {
    // Without what is for development the server runs all the same.
    if (!existsSync(built))
      console.warn("The Agents Monitor is not built, and vite is not installed.");
    return;
  }
  console.log("Building the Agents Monitor, the page at / …");
  await buildMonitor({ watch: values.watch === true });
}

function isInstalled(name: string): boolean {
  return existsSync(join(root, "node_modules", name));
}

if (import.meta.main) await main();
