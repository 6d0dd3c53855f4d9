// The sandbox proves itself before a worker is trusted to it: a process inside tries what a worker must not be able to
// do. A sandbox that is not what it says is worse than none.
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { chmod, chown, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import type { Server } from "node:net";
import { createServer } from "node:net";
import path from "node:path";
import { execa, type Result } from "execa";
import { FactoryError } from "../errors.ts";
import { hostFailure } from "../process/host-failure.ts";
import type { ComposeContext, ProgramPaths, SandboxUser } from "./compose.ts";
import { composeSandbox, proxyPort } from "./compose.ts";
import { createControlFolder } from "./control.ts";
import { openWorkerNetwork } from "./network/open.ts";
import { createResolver } from "./network/resolver.ts";

export interface CanaryOptions {
  /** A folder of the server's own, short, in which it makes one for this. */
  readonly folder: string;
  readonly context: ComposeContext;
  readonly user: SandboxUser | undefined;
  /** What the workers to come are shown beside their own folders. */
  readonly programs: ProgramPaths;
  readonly readable: readonly string[];
}

/** What must come of each try, and what it means where it doesn't. */
const expectations = {
  readsDeniedFile: { expected: false, words: "it can read a file of the server's" },
  writesDeniedFile: { expected: false, words: "it can write a file of the server's" },
  writesSystem: { expected: false, words: "it can write below /usr" },
  writesControl: { expected: false, words: "it can write what the sandbox itself is made of" },
  writesWorktree: { expected: true, words: "it can't write its own worktree" },
  isRoot: { expected: false, words: "it is root" },
  seesServer: { expected: false, words: "it can signal the server" },
  reachesLoopback: { expected: false, words: "it reaches a port of this machine" },
  reachesSocket: { expected: false, words: "it reaches a socket of the server's" },
  reachesAbstractSocket: {
    expected: false,
    words: "it reaches an abstract socket of the server's",
  },
  // On processors whose calls inside.pl doesn't know, nothing refuses it.
  opensHostSocket: {
    expected: ["x64", "arm64"].includes(process.arch) ? false : undefined,
    words: "it can open a socket to the machine's host",
  },
  hasCapabilities: { expected: false, words: "it has capabilities" },
  proxyRefusesHost: {
    expected: true,
    words: "its proxy doesn't refuse a host that is not allowed",
  },
  proxyRefusesLoopback: { expected: true, words: "its proxy doesn't refuse this machine" },
} as const;

const program = path.join(import.meta.dirname, "canary.pl");
/** It takes some 50 ms. */
const timeoutMs = 60_000;

/** @throws FactoryError SANDBOX_UNAVAILABLE with what wasn't held; HOST_FAILURE where it couldn't be tried */
export async function proveSandbox(options: CanaryOptions): Promise<void> {
  await using cleanup = new AsyncDisposableStack();
  const { folder, user } = options;
  let base: string;
  try {
    base = await mkdtemp(path.join(folder, "canary-"));
    cleanup.defer(() => rm(base, { recursive: true, force: true }));
    // Nothing but the sandbox may be what keeps the canary out.
    await chmod(base, 0o711);
    for (const name of ["worktree", "home"]) {
      await mkdir(path.join(base, name));
      if (user !== undefined) await chown(path.join(base, name), user.uid, user.gid);
    }
    await writeFile(path.join(base, "denied"), "nobody's to read\n");
    await chmod(path.join(base, "denied"), 0o666);
    await copyFile(program, path.join(base, "canary.pl"));
    await chmod(path.join(base, "canary.pl"), 0o644);
  } catch (error) {
    throw hostFailure(error, `prepare the sandbox's test in ${folder}`);
  }
  const [worktree, home, control] = ["worktree", "home", "control"].map((name) =>
    path.join(base, name),
  ) as [string, string, string];
  const abstract = `factory-canary-${randomUUID()}`;
  const socket = path.join(base, "s");
  const [tcp] = await Promise.all(
    [{ host: "127.0.0.1", port: 0 }, { path: socket }, { path: `\0${abstract}` }].map((place) =>
      listen(cleanup, place),
    ),
  );
  await chmod(socket, 0o666);
  await createControlFolder({ folder: control, user, home });
  const network = await openWorkerNetwork({
    folder: control,
    user,
    policy: { rules: { mode: "NONE", hosts: [] }, builtIn: [], named: [] },
    onRefused: () => undefined,
    resolve: createResolver(),
    api: { host: "127.0.0.1", port: portOf(tcp) },
  });
  cleanup.defer(() => network.close());

  const { command, environment } = await composeSandbox(
    {
      command: [
        ...["/usr/bin/perl", path.join(base, "canary.pl")],
        ...[path.join(base, "denied"), worktree, String(process.pid), String(portOf(tcp))],
        ...[socket, abstract, String(proxyPort)],
      ],
      environment: { PATH: "/usr/bin:/bin" },
      directory: worktree,
      writable: [worktree, home],
      readable: [path.join(base, "canary.pl"), ...options.readable],
      programs: options.programs,
      control,
      hasNetwork: true,
      user,
    },
    options.context,
  );
  const [file = "", ...rest] = command;
  const run = await execa(file, rest, {
    env: environment,
    extendEnv: false,
    reject: false,
    stdin: "ignore",
    timeout: timeoutMs,
    maxBuffer: 100_000,
  });
  requireProof(run.stdout, run.exitCode === 0 ? "" : describeFailure(run));
  if ((await readFile(path.join(base, "denied"), "utf8")) !== "nobody's to read\n") {
    throw unproven([expectations.writesDeniedFile.words]);
  }
}

function describeFailure({ stderr, shortMessage }: Pick<Result, "stderr" | "shortMessage">) {
  return typeof stderr === "string" && stderr !== "" ? stderr : (shortMessage ?? "it failed");
}

/** `said` are lines NAME=yes or NAME=no. */
function requireProof(said: string, failure: string): void {
  const answers = new Map(
    said.split("\n").map((line) => {
      const [name = "", answer] = line.split("=");
      return [name, answer] as const;
    }),
  );
  const broken = Object.entries(expectations)
    .filter(
      ([name, { expected }]) =>
        expected !== undefined && answers.get(name) !== (expected ? "yes" : "no"),
    )
    .map(([name, { words }]) => (answers.has(name) ? words : `it didn't come to try (${name})`));
  if (failure !== "") {
    throw unproven([`it couldn't be started: ${failure.trim().split("\n").at(-1) ?? ""}`]);
  }
  if (broken.length > 0) throw unproven(broken);
}

function unproven(reasons: readonly string[]): FactoryError {
  return new FactoryError(
    "SANDBOX_UNAVAILABLE",
    `The sandbox doesn't hold on this machine: ${reasons.join("; ")}. No worker is started in it; see docs/sandbox.md, or set FACTORY_SANDBOX=off to run workers without one.`,
  );
}

async function listen(
  cleanup: AsyncDisposableStack,
  place: { readonly host: string; readonly port: number } | { readonly path: string },
): Promise<Server> {
  const server = createServer((connection) => connection.destroy());
  server.listen(place);
  await once(server, "listening");
  cleanup.defer(() => {
    server.close();
  });
  return server;
}

function portOf(server: Server | undefined): number {
  const address = server?.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}
