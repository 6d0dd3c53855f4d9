// The releases of the agents that are run, and where they are kept between runs.
import { execFile } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
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

const installTimeoutMs = 5 * 60_000;
const versionTimeoutMs = 60_000;

export type Installed = { readonly folder: string } | { readonly missing: string };

/** The folder to put into PATH, or why the program can't be run here. */
export async function install(program: Program): Promise<Installed> {
  const [name, version] = releases[program];
  const cache = process.env["FACTORY_AGENT_CACHE"] ?? join(homedir(), ".cache", "factory-agents");
  const folder = join(cache, `${program}-${version}`);
  const bin = join(folder, "node_modules", ".bin");
  try {
    if (createProgramFinder(bin).find(program) === undefined) {
      await rm(folder, { recursive: true, force: true });
      await mkdir(folder, { recursive: true });
      const manifest = { private: true, dependencies: { [name]: version }, allowScripts };
      await writeFile(join(folder, "package.json"), JSON.stringify(manifest));
      await run("npm", ["install", "--no-audit", "--no-fund"], folder, installTimeoutMs);
    }
  } catch (error) {
    return { missing: `${name} ${version} can't be installed: ${wordsOf(error)}` };
  }
  return startable(program, bin);
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
  await promisify(execFile)(program, words, { cwd, timeout });
}

/** In one line, as it stands in a test's name. */
function wordsOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replace(/\s+/g, " ").slice(0, 300);
}
