// The releases of the agents that are run, and where they are kept between runs.
import { execFile } from "node:child_process";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { isObject, textIn } from "../../src/agents/json.ts";
import { createProgramFinder } from "../../src/agents/programs.ts";

export const releases = {
  claude: ["@anthropic-ai/claude-code", "2.1.330"],
  "claude-agent-acp": ["@agentclientprotocol/claude-agent-acp", "0.101.0"],
  codex: ["@openai/codex", "0.169.0"],
  "codex-acp": ["@agentclientprotocol/codex-acp", "2.6.0"],
  gemini: ["@google/gemini-cli", "0.61.0"],
  opencode: ["opencode-ai", "1.18.33"],
} as const;

export type Program = keyof typeof releases;

/** They fetch their real program after they were unpacked, which newer releases of npm do only if told. */
const allowScripts = { "@anthropic-ai/claude-code": true, "opencode-ai": true };

/** Workers of a server that runs as root are other users, whom root's own home is closed to. */
const cacheHome = process.getuid?.() === 0 ? "/var/cache" : join(homedir(), ".cache");

const installTimeoutMs = 5 * 60_000;
const versionTimeoutMs = 30_000;

export type Installed = { readonly folder: string } | { readonly missing: string };

/** By program: what failed once isn't tried again for another form. */
const installations = new Map<Program, Promise<Installed>>();

/**
 * The folder to put into PATH, or why the program can't be run here.
 *
 * @param withinMs how long the installation may take
 */
export function install(program: Program, withinMs: number): Promise<Installed> {
  const installed = installations.get(program) ?? installOnce(program, withinMs);
  installations.set(program, installed);
  return installed;
}

async function installOnce(program: Program, withinMs: number): Promise<Installed> {
  const [name, version] = releases[program];
  const cache = process.env["FACTORY_AGENT_CACHE"] ?? join(cacheHome, "factory-agents");
  const folder = join(cache, `${program}-${version}`);
  const bin = join(folder, "node_modules", ".bin");
  try {
    if (createProgramFinder(bin).find(program) === undefined) {
      const manifest = { private: true, dependencies: { [name]: version }, allowScripts };
      await installInto(folder, manifest, Math.min(withinMs, installTimeoutMs));
    }
  } catch (error) {
    return { missing: `${name} ${version} can't be installed: ${wordsOf(error)}` };
  }
  return startable(program, bin);
}

/** Whole or not at all: what was broken off would be taken for a program that doesn't start. */
async function installInto(folder: string, manifest: object, withinMs: number): Promise<void> {
  const partial = `${folder}.partial`;
  await rm(partial, { recursive: true, force: true });
  try {
    await mkdir(partial, { recursive: true });
    await writeFile(join(partial, "package.json"), JSON.stringify(manifest));
    const words = ["install", "--no-audit", "--no-fund", "--fetch-retries=1", "--loglevel=error"];
    await run("npm", words, partial, withinMs);
    await rm(folder, { recursive: true, force: true });
    await rename(partial, folder);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

/** Installed is not enough: it may be for another processor, or want a newer system. */
async function startable(program: Program, bin: string): Promise<Installed> {
  // An adapter would wait for its client.
  if (program.endsWith("-acp")) return { folder: bin };
  try {
    await run(join(bin, program), ["--version"], bin, versionTimeoutMs);
    return { folder: bin };
  } catch (error) {
    return { missing: `${program} doesn't start: ${wordsOf(error)}` };
  }
}

async function run(program: string, words: string[], cwd: string, timeout: number): Promise<void> {
  await promisify(execFile)(program, words, { cwd, timeout: Math.ceil(timeout) });
}

/** In one line, as it stands in a test's name. */
function wordsOf(error: unknown): string {
  // Errors of Node.js's own aren't of the class Error that jest gives to tests.
  const message = textIn(error, "message") ?? String(error);
  const isLate = isObject(error) && error["killed"] === true;
  return (isLate ? `it took too long (${message})` : message).replace(/\s+/g, " ").slice(0, 300);
}
