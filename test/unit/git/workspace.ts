// A FACTORY_HOME with its git layer, and a git server beside it.
import { execFile } from "node:child_process";
import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { createGit, type Confine, type Git, type GitCallReport } from "../../../src/git/git.ts";
import type { GitRepository } from "../../../src/git/git.ts";
import { startGitServer, type GitServer } from "../../support/git-server.ts";

const execute = promisify(execFile);

export interface Workspace {
  readonly home: string;
  readonly server: GitServer;
  readonly git: Git;
  /** Every call of git so far. */
  readonly calls: GitCallReport[];
  open(name: string): GitRepository;
  /** Makes it at the server, clones it, and resolves with its handle and first commit. */
  cloned(
    name: string,
    options?: Parameters<GitServer["createRepository"]>[2],
  ): Promise<{ repository: GitRepository; first: string }>;
  /** The git layer as a server finds it after a restart. */
  restart(): Git;
  close(): Promise<void>;
}

export async function createWorkspace(
  environment: Record<string, string | undefined> = process.env,
  confine?: Confine,
): Promise<Workspace> {
  const home = await realpath(await mkdtemp(join(tmpdir(), "factory-home-")));
  const server = await startGitServer();
  const calls: GitCallReport[] = [];
  const start = () =>
    createGit({
      home,
      environment,
      protocols: ["http"],
      confine,
      onCall: (report) => calls.push(report),
    });
  const git = start();
  const open = (name: string) => git.openRepository({ host: server.host, owner: "acme", name });
  return {
    home,
    server,
    git,
    calls,
    open,
    async cloned(name, options) {
      const first = await server.createRepository("acme", name, options);
      const repository = open(name);
      await repository.clone(server.url("acme", name));
      return { repository, first };
    },
    restart: start,
    async close() {
      await server.stop();
      await rm(home, { recursive: true, force: true });
    },
  };
}

/** git as a worker runs it: with the repository's own configuration, hooks and attributes. */
export async function workerGit(cwd: string, ...commandLine: string[]): Promise<string> {
  const { stdout } = await execute("git", commandLine, {
    cwd,
    env: {
      PATH: process.env["PATH"],
      HOME: cwd,
      GIT_CONFIG_GLOBAL: "/dev/null",
      GIT_AUTHOR_NAME: "Worker",
      GIT_AUTHOR_EMAIL: "worker@example.org",
      GIT_COMMITTER_NAME: "Worker",
      GIT_COMMITTER_EMAIL: "worker@example.org",
    },
  });
  return stdout.trim();
}
