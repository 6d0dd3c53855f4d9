// Locks a worker in as a server would, as the user who runs this, in a worktree with a repository of its own that
// borrows the objects of a clone; restarts its network in the middle. What came of it, as JSON.
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";
import { waitForExit } from "../../../src/process/exit.ts";
import { launch } from "../../../src/process/launch.ts";
import { createSessionFolder, sessionPaths } from "../../../src/process/session-folder.ts";
import { createNetworkProcess } from "../../../src/sandbox/network/process/client.ts";
import { createSandbox } from "../../../src/sandbox/sandbox.ts";
import { apiUrlInside, lockIn, openNetworkOf } from "../../../src/sandbox/worker.ts";

export interface WorkerInput {
  readonly base: string;
  /** Whether others aren't let through the folder that all is in. */
  readonly isClosed: boolean;
}

export interface WorkerResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number | null;
  /** The clone's own head, before and after. */
  readonly heads: readonly string[];
  /** The subjects of the worktree's commits, as the server reads them. */
  readonly subjects: string;
  readonly asked: readonly string[];
}

async function run({ base, isClosed }: WorkerInput): Promise<WorkerResult> {
  // As root's own home is.
  if (isClosed) chmodSync(base, 0o700);

  const home = path.join(base, "factory");
  mkdirSync(home);
  chmodSync(home, 0o711);
  const git = (folder: string, ...rest: string[]) =>
    execFileSync(
      "git",
      [
        "-c",
        "safe.directory=*",
        "-c",
        "user.name=Ada",
        "-c",
        "user.email=ada@example.org",
        ...rest,
      ],
      { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] },
    );
  const clone = path.join(home, "clone");
  git(base, "init", "-q", "-b", "main", clone);
  writeFileSync(path.join(clone, "file"), "first\n");
  git(clone, "add", ".");
  git(clone, "commit", "-qm", "First");
  const worktree = path.join(home, "worktree");
  git(base, "clone", "-q", "--shared", clone, worktree);
  if (process.getuid?.() === 0)
    execFileSync("chmod", ["-R", "o+rX", path.join(clone, ".git/objects")]);
  chmodSync(clone, 0o711);
  chmodSync(path.join(clone, ".git"), 0o711);

  // What it asks last of the first server is never answered.
  const asked: string[] = [];
  const waiting = Promise.withResolvers<void>();
  const server = createServer((message, response) => {
    const url = message.url ?? "";
    asked.push(url);
    if (url === "/interrupted") waiting.resolve();
    else response.end(`host ${url}\n`);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? (address?.port ?? 0) : 0;

  const sandbox = await createSandbox({
    mode: "required",
    home,
    folder: home,
    searchPath: "/usr/bin",
  });
  const folder = path.join(home, "session");
  const exitKey = "a key of the tests";
  await createSessionFolder({ folder });
  chmodSync(folder, 0o711);
  const own = path.join(home, "home");
  const script = `
    set -e
    echo changed >file; git config user.name Worker; git config user.email worker@example.org
    git stash -q; git stash pop -q; git commit -qam 'From inside'; git tag inside; git fsck --no-dangling
    git log --format=%s; echo "$FACTORY_URL"
    curl -sS $FACTORY_URL/first
    curl -s $FACTORY_URL/interrupted || true
    until curl -sS $FACTORY_URL/second 2>/dev/null | grep second; do sleep 0.1; done
  `;
  const networks = createNetworkProcess({
    home,
    environment: process.env,
    onLost(error) {
      throw error;
    },
  });
  const place = {
    worktreeId: base,
    control: path.join(folder, "net"),
    policy: { rules: { mode: "NONE", hosts: [] }, builtIn: [], named: [] },
    onRefused: () => undefined,
    endFile: sessionPaths(folder).exit,
    networks,
    api: { host: "127.0.0.1", port },
    serve: undefined,
  } as const;
  const before = git(clone, "rev-parse", "HEAD");
  const locked = await lockIn(sandbox, {
    ...place,
    command: ["/bin/bash", "-c", script],
    environment: { PATH: "/usr/bin:/bin", HOME: own, FACTORY_URL: apiUrlInside },
    directory: worktree,
    writable: [worktree, own, sessionPaths(folder).temporary],
    own: [],
    kind: { programs: { files: [], links: {} }, readable: [] },
    readable: [path.join(clone, ".git/objects")],
    maxProcesses: 200,
    gitConfiguration: "",
  });
  const { identity } = await launch({
    folder,
    command: locked.command,
    cwd: home,
    env: locked.environment,
    exitKey,
  });
  await waiting.promise;
  // As a server that is killed and comes back: its sockets are gone, and made anew.
  await locked.network.close();
  const network = await openNetworkOf(place);
  const exit = await waitForExit({
    folder,
    exitKey,
    identity,
    signal: AbortSignal.timeout(30_000),
  });
  await network.close();
  await networks.leave();
  server.close();
  server.closeAllConnections();
  return {
    stdout: readFileSync(sessionPaths(folder).stdout, "utf8"),
    stderr: readFileSync(sessionPaths(folder).stderr, "utf8"),
    exitCode: exit.kind === "exited" ? exit.exitCode : null,
    heads: [before, git(clone, "rev-parse", "HEAD")],
    subjects: git(worktree, "log", "--format=%s"),
    asked: [...new Set(asked)],
  };
}

console.log(JSON.stringify(await run(JSON.parse(process.argv[2] ?? "") as WorkerInput)));
