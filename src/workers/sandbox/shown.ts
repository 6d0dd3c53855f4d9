// What the workers of an agent are shown of the machine beside their own folders.
import { realpath, stat } from "node:fs/promises";
import path from "node:path";
import type { AgentStart, ResolvedAgent } from "../../agents/definition.ts";
import { createProgramFinder } from "../../agents/programs.ts";
import { networkVariables } from "../../network-variables.ts";
import { codeOf } from "../../process/host-failure.ts";
import { findProgramPaths } from "../../sandbox/programs.ts";
import type { SandboxKind } from "../../sandbox/sandbox.ts";

export interface ShownInput {
  readonly agent: ResolvedAgent;
  readonly start: AgentStart;
  readonly environment: Readonly<Record<string, string>>;
  /** FACTORY_HOME. */
  readonly home: string;
  /** What the operator shows to all, absolute. */
  readonly readable: readonly string[];
}

export interface Shown {
  readonly kind: SandboxKind;
  /** The environment, with the paths that are shown. */
  readonly environment: Record<string, string>;
}

/** The sources of this server, or what it was built to. */
const sources = path.join(import.meta.dirname, "../..");
const root = path.dirname(sources);

/** What holds settings, logins and plug-ins of the server's user: a sandbox's HOME has its own. */
const foldersOfSettings = [
  "CLAUDE_CONFIG_DIR",
  "CODEX_HOME",
  "OPENCODE_CONFIG_DIR",
  "XDG_CONFIG_HOME",
  "XDG_DATA_HOME",
];

export async function findShown(input: ShownInput): Promise<Shown> {
  const { agent, start, environment, home } = input;
  const finder = createProgramFinder(environment["PATH"] ?? "");
  const given = Object.entries(environment).filter(([name]) => !foldersOfSettings.includes(name));
  // Of the server's own environment alone: others are what a dispatch says.
  const fromServer = new Set([...agent.definition.environmentNames, ...networkVariables]);
  const named = await filesOfVariables(given.filter(([name]) => fromServer.has(name)));
  const readable = [
    ...new Set([
      path.join(home, "bin"),
      ...(await ownFiles()),
      ...(await existing([...(agent.way.reads ?? []), ...input.readable])),
      ...named.values(),
    ]),
  ];
  const programs = await findProgramPaths({
    programs: [start.command[0] ?? "", agent.way.program, process.execPath, ...named.values()],
    find: (program) => finder.find(program),
  });
  return {
    kind: {
      programs: { ...programs, files: programs.files.filter((file) => !readable.includes(file)) },
      readable,
    },
    environment: { ...Object.fromEntries(given), ...Object.fromEntries(named) },
  };
}

/** Of what the `factory` command is made. Nothing else of a checkout: it may hold a .env. */
async function ownFiles(): Promise<string[]> {
  const above = path.dirname(root);
  return existing([
    sources,
    path.join(root, "package.json"),
    path.join(root, "node_modules"),
    // npm installs a package and what that needs beside each other.
    ...(path.basename(above) === "node_modules" ? [above] : []),
  ]);
}

/** Variables that name a file, such as one of certificates, or the program that an adapter starts. */
async function filesOfVariables(
  variables: readonly (readonly [string, string])[],
): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const [name, value] of variables) {
    if (!path.isAbsolute(value) || value.includes(path.delimiter)) continue;
    const real = await realFile(value);
    if (real !== undefined && !real.startsWith("/usr/")) files.set(name, real);
  }
  return files;
}

async function realFile(file: string): Promise<string | undefined> {
  try {
    return (await stat(file)).isFile() ? await realpath(file) : undefined;
  } catch (error) {
    if (codeOf(error) !== undefined) return undefined;
    throw error;
  }
}

async function existing(files: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const file of files) {
    try {
      found.push(await realpath(file));
    } catch (error) {
      if (codeOf(error) === undefined) throw error;
    }
  }
  return found;
}
