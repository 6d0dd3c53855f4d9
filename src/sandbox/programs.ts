// What of the file system a program needs to start: its file, the links that lead to it, the package that it is part
// of, and the interpreter that it names.
import { open, realpath } from "node:fs/promises";
import path from "node:path";
import type { ProgramPaths } from "./compose.ts";
import { isMissing } from "./errors.ts";

/** Shown to every worker as a whole; see system.ts. */
const shown = ["/usr/", "/bin/", "/sbin/", "/lib/", "/lib64/", "/nix/store/", "/gnu/store/"];

export interface ProgramSearch {
  /** Programs: names to be looked up, or absolute paths. Those that aren't there are left out. */
  readonly programs: readonly string[];
  /** Says where a program is; see `createProgramFinder`. */
  readonly find: (program: string) => string | undefined;
}

/** What `SandboxDescription.programs` is to be for these programs. */
export async function findProgramPaths({ programs, find }: ProgramSearch): Promise<ProgramPaths> {
  const files = new Set<string>();
  const links: Record<string, string> = {};
  const waiting = [...programs];
  const seen = new Set<string>();
  for (let program = waiting.pop(); program !== undefined; program = waiting.pop()) {
    const found = find(program);
    if (found === undefined || seen.has(found)) continue;
    seen.add(found);
    const file = await realpathIfThere(found);
    if (file === undefined) continue;
    if (!isShown(file)) files.add(packageOf(file));
    // One link in place of however many there are; the program keeps the name that it is called by.
    if (file !== found && !isShown(found)) links[found] = file;
    waiting.push(...(await readInterpreter(file)));
  }
  return { files: [...files], links };
}

async function realpathIfThere(file: string): Promise<string | undefined> {
  try {
    return await realpath(file);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Of a package of npm also what it requires, which lies beside it; of anything else the file alone. */
function packageOf(file: string): string {
  const marker = "/node_modules/";
  const start = file.indexOf(marker);
  return start === -1 ? file : file.slice(0, start + marker.length - 1);
}

/** By its first line, `#!/usr/bin/env node` or `#!/path/to/python`. Source: execve(2), "Interpreter scripts". */
async function readInterpreter(file: string): Promise<string[]> {
  const handle = await open(file, "r");
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(256), 0, 256, 0);
    const [line = ""] = buffer.toString("latin1", 0, bytesRead).split("\n");
    if (!line.startsWith("#!")) return [];
    const [program = "", ...words] = line.slice(2).trim().split(/\s+/);
    if (path.basename(program) !== "env") return [program];
    // env -S splits what follows; NAME=VALUE are variables.
    return words.filter((word) => !word.startsWith("-") && !word.includes("=")).slice(0, 1);
  } finally {
    await handle.close();
  }
}

function isShown(file: string): boolean {
  return shown.some((folder) => file.startsWith(folder));
}
