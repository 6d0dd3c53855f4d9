// Runs a bash script in a sandbox, as the user who runs this: what it prints, and how it ended, as JSON.
import { execFile } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import path from "node:path";
import { parseNetworkRules } from "../../../src/network-rules.ts";
import { findAvailability } from "../../../src/sandbox/availability.ts";
import {
  composeSandbox,
  type SandboxDescription,
  type SandboxedCommand,
} from "../../../src/sandbox/compose.ts";
import { createControlFolder } from "../../../src/sandbox/control.ts";
import { openWorkerNetwork } from "../../../src/sandbox/network/open.ts";
import type { Refusal } from "../../../src/sandbox/network/refusals.ts";
import { createResolver } from "../../../src/sandbox/network/resolver.ts";
import { findProgramPaths } from "../../../src/sandbox/programs.ts";
import { userOf } from "../../../src/sandbox/users.ts";
import { createProgramFinder } from "../../../src/agents/programs.ts";
import { waitForExit } from "../../../src/process/exit.ts";
import { launch } from "../../../src/process/launch.ts";
import { createSessionFolder, sessionPaths } from "../../../src/process/session-folder.ts";
import { tailOutput } from "../../../src/process/tail.ts";
import { terminateAll, type TerminateReport } from "../../../src/process/terminate.ts";

export interface InsideInput {
  /** Exists; everything is made in it. */
  readonly base: string;
  readonly script: string;
  readonly environment?: Record<string, string>;
  readonly programs?: readonly string[];
  readonly path?: string;
  readonly maxProcesses?: number;
  /** Beside the usual ones. */
  readonly readable?: readonly string[];
  /** FACTORY_NETWORK; HOST in it and in the script's environment is a web server of the host. Default: no network. */
  readonly network?: string;
  /** Launched as a worker is, and ended, with that grace in milliseconds, once it has printed "ready". */
  readonly terminateAfterMs?: number;
}

export interface InsideResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
  readonly command: readonly string[];
  readonly refused: readonly Refusal[];
  /** Where it was ended: what had to be done for it. */
  readonly terminated?: TerminateReport;
  /** A refusal to compose it. */
  readonly refusal: string | undefined;
}

async function run(input: InsideInput): Promise<InsideResult> {
  const availability = await findAvailability({ searchPath: "/usr/bin" });
  if (!availability.available) throw new Error(availability.reason);
  const { base, script } = input;
  const searchPath = input.path ?? "/usr/local/bin:/usr/bin:/bin";
  const user = await userOf(base);
  const own = (name: string) => makeOwn(path.join(base, name), user?.uid);
  const [worktree, repository, home, temporary] = await Promise.all(
    ["worktree", "repository", "home", "temporary"].map(own),
  );
  const objects = path.join(base, "objects");
  await makeOwn(objects, user?.uid);
  const secret = path.join(base, "secret");
  await writeFile(secret, "the server's", { mode: 0o644 });
  const control = path.join(base, "control");
  await createControlFolder({ folder: control, user, home: home! });
  const finder = createProgramFinder(searchPath);
  const hosts = await startHosts();
  const refused: Refusal[] = [];
  const rules = parseNetworkRules(input.network?.replaceAll("HOST", hosts.web) ?? "NONE");
  if (typeof rules === "string") throw new Error(rules);
  const network = await openWorkerNetwork({
    folder: control,
    user,
    policy: { rules, builtIn: [], named: [] },
    onRefused: (refusal) => refused.push(refusal),
    resolve: createResolver(),
    api: { host: "127.0.0.1", port: hosts.port },
  });
  const description: SandboxDescription = {
    command: ["/bin/bash", "-c", script],
    environment: {
      PATH: searchPath,
      HOME: home!,
      TMPDIR: temporary!,
      BASE: base,
      SERVER: String(process.pid),
      HOST: hosts.web,
      ...input.environment,
    },
    directory: worktree!,
    writable: [worktree!, repository!, home!, temporary!],
    readable: [objects, ...(input.readable ?? [])],
    programs: await findProgramPaths({
      programs: input.programs ?? [],
      find: (program) => finder.find(program),
    }),
    control,
    hasNetwork: input.network !== undefined,
    user,
    maxProcesses: input.maxProcesses,
  };
  const context = { bubblewrap: availability.bubblewrap, hidden: [path.join(base, "hidden")] };
  let composed;
  try {
    composed = await composeSandbox(description, context);
  } catch (error) {
    await network.close();
    const refusal = error instanceof Error ? error.message : String(error);
    return { stdout: "", stderr: "", exitCode: -1, command: [], refused, refusal };
  }
  if (input.terminateAfterMs !== undefined) {
    const ended = await launchAndEnd(base, composed, input.terminateAfterMs);
    await network.close();
    return { ...ended, command: composed.command, refused, refusal: undefined };
  }
  const [program = "", ...rest] = composed.command;
  let [stdout, stderr] = ["", ""];
  const child = execFile(program, rest, { env: composed.environment, cwd: base }, (_, out, err) => {
    [stdout, stderr] = [out, err];
  });
  await once(child, "close");
  await network.close();
  const { command } = composed;
  return { stdout, stderr, exitCode: child.exitCode ?? -1, command, refused, refusal: undefined };
}

async function launchAndEnd(base: string, composed: SandboxedCommand, graceMs: number) {
  const folder = path.join(base, "session");
  const exitKey = "a key of the tests";
  await createSessionFolder({ folder });
  const { identity } = await launch({
    folder,
    command: composed.command,
    cwd: base,
    env: composed.environment,
    exitKey,
  });
  const paths = sessionPaths(folder);
  await stdoutWith(folder, "ready");
  const terminated = await terminateAll({ identity, nonce: identity.nonce, graceMs });
  const exit = await waitForExit({
    folder,
    exitKey,
    identity,
    signal: AbortSignal.timeout(20_000),
  });
  return {
    stdout: await readFile(paths.stdout, "utf8"),
    stderr: await readFile(paths.stderr, "utf8"),
    exitCode: exit.kind === "exited" ? (exit.exitCode ?? -1) : -1,
    terminated,
  };
}

async function stdoutWith(folder: string, text: string): Promise<void> {
  const found = new AbortController();
  let output = "";
  await tailOutput({
    folder,
    offsets: { stdout: 0, stderr: 0 },
    signal: AbortSignal.any([found.signal, AbortSignal.timeout(20_000)]),
    onChunk: async (_, chunk) => {
      output += chunk.text;
      if (output.includes(text)) found.abort();
    },
  }).done;
  if (!found.signal.aborted) throw new Error(`"${text}" was not printed, but: ${output}`);
}

/** A web server of the host's, which answers with the path that it was asked for. */
async function startHosts(): Promise<{ readonly web: string; readonly port: number }> {
  const server = createServer((message, response) => response.end(`host ${message.url ?? ""}\n`));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  server.unref();
  const address = server.address();
  const port = typeof address === "object" ? (address?.port ?? 0) : 0;
  return { web: `127.0.0.1:${String(port)}`, port };
}

/** Makes the folder, for the user alone. */
async function makeOwn(folder: string, owner: number | undefined): Promise<string> {
  await mkdir(folder, { recursive: true });
  await chmod(folder, 0o700);
  if (owner !== undefined) await chown(folder, owner, owner);
  return folder;
}

console.log(JSON.stringify(await run(JSON.parse(process.argv[2] ?? "") as InsideInput)));
