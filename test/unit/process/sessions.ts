// What the tests of this folder share: real sessions in a temporary folder, ended and removed after.
import { appendFile, mkdtemp, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterEach, beforeEach } from "@jest/globals";
import type { ExitOutcome } from "../../../src/process/exit.ts";
import { waitForExit } from "../../../src/process/exit.ts";
import type { Identity } from "../../../src/process/identity.ts";
import type { LaunchOptions } from "../../../src/process/launch.ts";
import { launch } from "../../../src/process/launch.ts";
import { createSessionFolder, sessionPaths } from "../../../src/process/session-folder.ts";
import { tailOutput } from "../../../src/process/tail.ts";
import { terminateAll } from "../../../src/process/terminate.ts";

const exitKey = "a key of the tests";

export const environment = { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: "/tmp" };

export interface Session {
  readonly folder: string;
  readonly identity: Identity;
  /** By which its exit.json is known to be its shim's. */
  readonly exitKey: string;
}

export interface Sessions {
  /** Exists during a test. */
  readonly base: string;
  /** A folder that wasn't launched into yet. */
  createFolder(options?: { readonly hasInput?: boolean }): Promise<string>;
  /** Runs a bash script as the agent. */
  runScript(script: string, options?: Partial<LaunchOptions>): Promise<Session>;
  /** Has whatever carries this nonce ended after the test. */
  own(nonce: string): void;
}

/** Call at the top of a test file. */
export function useSessions(): Sessions {
  let base = "";
  let count = 0;
  let nonces: string[] = [];
  beforeEach(async () => {
    base = await mkdtemp(path.join(os.tmpdir(), "factory-process-"));
    nonces = [];
  });
  afterEach(async () => {
    for (const nonce of nonces) {
      await terminateAll({ identity: undefined, nonce, graceMs: 0 });
    }
    await rm(base, { recursive: true, force: true });
  });
  const sessions: Sessions = {
    get base() {
      return base;
    },
    async createFolder(folderOptions = {}) {
      count += 1;
      const folder = path.join(base, `session-${count}`);
      await createSessionFolder({ folder, ...folderOptions });
      return folder;
    },
    async runScript(script, options = {}) {
      const folder = options.folder ?? (await sessions.createFolder());
      const { identity } = await launch({
        folder,
        command: ["/bin/bash", "-c", script],
        cwd: base,
        env: environment,
        exitKey,
        ...options,
      });
      nonces.push(identity.nonce);
      return { folder, identity, exitKey };
    },
    own(nonce) {
      nonces.push(nonce);
    },
  };
  return sessions;
}

/** Appends to the input of an agent that was launched with one. */
export function say(folder: string, text: string): Promise<void> {
  return appendFile(sessionPaths(folder).input, text);
}

export function exitOf(session: Session): Promise<ExitOutcome> {
  return waitForExit({ ...session, signal: AbortSignal.timeout(20_000) });
}

export function stdoutOf({ folder }: Session): Promise<string> {
  return readFile(sessionPaths(folder).stdout, "utf8");
}

/** Resolves with all of stdout once it holds the text. */
export async function stdoutWith({ folder }: Pick<Session, "folder">, text: string) {
  const found = new AbortController();
  let output = "";
  await tailOutput({
    folder,
    offsets: { stdout: 0, stderr: 0 },
    signal: AbortSignal.any([found.signal, AbortSignal.timeout(20_000)]),
    onChunk: async (channel, chunk) => {
      output += channel === "stdout" ? chunk.text : "";
      if (output.includes(text)) {
        found.abort();
      }
    },
  }).done;
  if (!found.signal.aborted) {
    throw new Error(`"${text}" was not printed, but: ${output}`);
  }
  return output;
}

/** For what sends no event, such as another process's state. */
export async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!(await holds())) {
    if (performance.now() > deadline) {
      throw new Error("it did not happen within 20 s");
    }
    await setTimeout(10);
  }
}
