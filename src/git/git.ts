// The only way to git: what is exported here, and the pure functions of names.ts, remote-url.ts.
import { basename, dirname, join } from "node:path";
import { buildGitEnvironment, type Environment } from "./environment.ts";
import type { FetchResult } from "./fetch.ts";
import { moveToTrash, removeTrash } from "./files.ts";
import { layOut, type RepositoryName } from "./layout.ts";
import { createKeyedMutex } from "./lock.ts";
import { checkOwner, checkRepositoryName } from "./names.ts";
import { createRepository, type GitRepository } from "./repository.ts";
import type { Logger } from "../log.ts";
import { readIdentity, type Identity } from "./identity.ts";
import { createRunner, type GitCallReport } from "./run.ts";
import { createServing } from "./serve.ts";
import { createSharedRun, type SharedRun } from "./shared-run.ts";
import { listRepositoryFolders, sweepHome, sweepTrash } from "./sweep.ts";
import type { Confine } from "./worktree-git.ts";

export type { AddedWorktree, AddWorktreeInput, StartPoint } from "./add-worktree.ts";
export type { CloneOptions } from "./clone.ts";
export type { ChangeCounts } from "./diff-counts.ts";
export type { DiffInput, WorktreeDiff } from "./diff-worktree.ts";
export type { FetchResult, RemoteTips } from "./fetch.ts";
export type { GitCommit } from "./commit-log.ts";
export type { HistoryInput, ListCommitsInput, Stray } from "./history.ts";
export type { LossInput } from "./losses.ts";
export type { UnfinishedOperation } from "./unfinished.ts";
export type { LfsFile, LfsInput } from "./lfs.ts";
export type { Identity } from "./identity.ts";
export type { WorktreeState } from "./inspect-worktree.ts";
export type { RepositoryName } from "./layout.ts";
export type { PushInput, PushResult } from "./push.ts";
export type { Refs, ResolvedBase } from "./refs.ts";
export type { TellProgress } from "./progress.ts";
export type { RemoveWorktreeInput } from "./remove-worktree.ts";
export type { GitRepository, SettledReader, WorktreeReader } from "./repository.ts";
export type { GitCallReport } from "./run.ts";
export type { ServeInput, ServePushInput } from "./serve.ts";
export type { SweepInput, WorktreeFolders } from "./sweep.ts";
export type { Confine } from "./worktree-git.ts";

export interface Git {
  /** Handles of the same repository share its locks and fetches. @throws FactoryError BAD_INPUT */
  openRepository(name: RepositoryName): GitRepository;
  /** Whose commits workers make: the operator's own, where git knows them. */
  identity(): Promise<Identity>;
  /**
   * Takes up a home of an older version, before anything else is asked of it. `begin` is called when nothing stands
   * in the way, and before anything is changed. @throws FactoryError HOST_FAILURE, with what is to be done first
   */
  moveOver(begin: () => Promise<void>): Promise<void>;
  /** Clears up behind a killed server. Call it once, before anything else. */
  recover(): Promise<void>;
  /** The bare repositories that are here, whoever needs them: absolute folders. */
  listRepositories(): Promise<string[]>;
  /** Half clones and trash, but for what is worked on now. @returns what was done, a line each */
  sweep(): Promise<string[]>;
}

export interface GitOptions {
  /** FACTORY_HOME, absolute, which exists and belongs to this server alone. */
  readonly home: string;
  /** The server's environment, from which git gets what it needs and no more. */
  readonly environment: Environment;
  /** Transports that a url may use, such as https and ssh. */
  readonly protocols: readonly string[];
  /**
   * What starts a git that looks into a worktree while a worker may be changing it. Before and behind a worker there is
   * nobody who could: then git is started as it is. Default: always so.
   */
  readonly confine?: Confine | undefined;
  /** Told of every call at level debug. */
  readonly logger?: Pick<Logger, "debug" | "warn">;
  readonly onCall?: (report: GitCallReport) => void;
  /** Milliseconds after which a lock file that no process has open is removed. Default: one minute. */
  readonly lockGraceMs?: number;
}

const defaultLockGraceMs = 60_000;
const trashAtStartMs = 10_000;
/** Longer than any checkout or clone that makes sense. */
const lockTimeoutMs = 2 * 60 * 60_000;

export function createGit(options: GitOptions): Git {
  const { home, environment, protocols, confine, logger, onCall } = options;
  const { lockGraceMs = defaultLockGraceMs } = options;
  const git = createRunner({
    home,
    environment,
    protocols,
    lockGraceMs,
    onCall(report) {
      logger?.debug({ git: report }, "a call of git");
      onCall?.(report);
    },
  });
  const mutex = createKeyedMutex({ timeoutMs: lockTimeoutMs });
  const serving = createServing(buildGitEnvironment(environment, protocols));
  const fetches = new Map<string, SharedRun<FetchResult>>();
  let identity: Promise<Identity> | undefined;
  const identify = () =>
    (identity ??= readIdentity(git, home, environment).catch((error: unknown) => {
      identity = undefined;
      throw error;
    }));

  function openRepository(name: RepositoryName): GitRepository {
    checkOwner(name.owner);
    checkRepositoryName(name.name);
    const layout = layOut(home, name);
    return createRepository({
      git,
      home,
      lockGraceMs,
      layout,
      identity: identify,
      protocols,
      confine,
      mutex,
      serving,
      shareFetch(run) {
        let shared = fetches.get(layout.repository);
        if (shared === undefined) {
          shared = createSharedRun(run, () => fetches.delete(layout.repository));
          fetches.set(layout.repository, shared);
        }
        return shared;
      },
    });
  }

  function openFolder(folder: string): GitRepository {
    const owner = dirname(folder);
    const host = basename(dirname(owner));
    return openRepository({ host, owner: basename(owner), name: basename(folder, ".git") });
  }

  return {
    openRepository,
    async moveOver(begin) {
      const older: GitRepository[] = [];
      for (const folder of await listRepositoryFolders(join(home, "control"))) {
        if (!folder.endsWith(".git")) continue;
        const repository = openFolder(folder);
        if (await repository.isOfOlderVersion()) older.push(repository);
      }
      for (const repository of older) await repository.assertMovable();
      await begin();
      for (const repository of older) await repository.moveOver();
    },
    async listRepositories() {
      const folders = await listRepositoryFolders(join(home, "repositories"));
      return folders.filter((folder) => folder.endsWith(".git"));
    },
    sweep: () => sweepHome(home, mutex),
    identity: identify,
    async recover() {
      // What was being made was not in anybody's hands yet.
      await removeTrash(await moveToTrash(join(home, "making"), join(home, "trash")));
      for (const folder of await listRepositoryFolders(join(home, "repositories"))) {
        if (!folder.endsWith(".git")) continue;
        try {
          await openFolder(folder).recover();
        } catch (error) {
          // Nothing else waits for it: the sweep tries it again.
          logger?.warn({ err: error, folder }, "failed to recover a repository");
        }
      }
      // No start waits longer for it: the sweep goes on with what is left.
      for (const line of await sweepTrash(home, trashAtStartMs)) logger?.debug(line);
    },
  };
}
