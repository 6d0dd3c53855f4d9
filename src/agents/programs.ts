import { accessSync, constants, statSync } from "node:fs";
import path from "node:path";

/** For how long an answer stands: a list of agents asks for each, and an installation must show soon. */
const cacheMilliseconds = 2000;

export interface ProgramFinder {
  /** The absolute path of the program, or undefined where there is none. */
  find(program: string): string | undefined;
}

/**
 * Looks programs up as execvp(3) does: a name with a slash is a path, any other is looked for in the
 * folders of `searchPath`. Relative folders and paths count for nothing: a worker starts inside a
 * worktree, whose content must not decide what an agent's name stands for.
 */
export function createProgramFinder(
  searchPath: string,
  now: () => number = () => performance.now(),
): ProgramFinder {
  const answers = new Map<string, { at: number; found: string | undefined }>();
  return {
    find(program) {
      const known = answers.get(program);
      if (known !== undefined && now() - known.at < cacheMilliseconds) return known.found;
      const found = candidates(program, searchPath).find(isExecutableFile);
      answers.set(program, { at: now(), found });
      return found;
    },
  };
}

/** The absolute folders of a PATH, in order. */
export function absoluteFolders(searchPath: string): string[] {
  return searchPath.split(path.delimiter).filter((folder) => path.isAbsolute(folder));
}

/**
 * The PATH of who started the server, without what npm put before it: folders that a checkout of Factory, or anybody
 * who can write above it (`/tmp/node_modules/.bin`), fills with programs. Source: @npmcli/run-script, set-path.js.
 */
export function withoutNpmFolders(
  environment: Readonly<Record<string, string | undefined>>,
): string {
  const folders = (environment["PATH"] ?? "").split(path.delimiter);
  const isFromNpm = startedByNpm.some((name) => environment[name] !== undefined);
  const first = isFromNpm ? folders.findIndex((folder) => !npmFolder.test(folder)) : 0;
  return (first === -1 ? [] : folders.slice(first)).join(path.delimiter);
}

const startedByNpm = ["npm_execpath", "npm_lifecycle_event", "npm_config_user_agent"];
const npmFolder = /(^|\/)(node_modules\/\.bin|node-gyp-bin)\/?$/;

function candidates(program: string, searchPath: string): string[] {
  if (path.isAbsolute(program)) return [program];
  if (program.includes("/")) return [];
  return absoluteFolders(searchPath).map((folder) => path.join(folder, program));
}

function isExecutableFile(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    // Missing, out of reach, or not ours to run: in every case not a program to start.
    return false;
  }
}
