import { join } from "node:path";
import { FactoryError } from "../errors.ts";
import { removeAbandoned } from "./abandoned-file.ts";
import {
  addWorktree,
  assertFree,
  settleWorktree,
  type AddedWorktree,
  type AddWorktreeInput,
} from "./add-worktree.ts";
import { cloneRepository, isCloned, type CloneOptions } from "./clone.ts";
import type { GitCommit } from "./commit-log.ts";
import { readCredentials, removeCredentials, saveCredentials } from "./credentials.ts";
import { countChanges, type ChangeCounts } from "./diff-counts.ts";
import { diffWorktree, type DiffInput, type WorktreeDiff } from "./diff-worktree.ts";
import { explainRead } from "./failure.ts";
import { fetchRemote, type FetchOptions, type FetchResult, type RemoteTips } from "./fetch.ts";
import { isThere, listIfThere, moveToTrash, removeEmptyFolders, removeTrash } from "./files.ts";
import {
  countCommits,
  findStray,
  listCommits,
  type HistoryInput,
  type ListCommitsInput,
  type Stray,
} from "./history.ts";
import { inspectWorktree, type WorktreeState } from "./inspect-worktree.ts";
import type { Identity } from "./identity.ts";
import { findLfsFiles, type LfsFile, type LfsInput } from "./lfs.ts";
import type { Layout } from "./layout.ts";
import type { KeyedMutex } from "./lock.ts";
import { assertNothingLost, findUnpushedBranches, type LossInput } from "./losses.ts";
import { assertMovable, moveOver, oldControlOf } from "./move-over.ts";
import { pushBranch, type PushInput, type PushResult } from "./push.ts";
import {
  findRemoteBranches,
  hasBranch,
  readRefs,
  readRefsNear,
  resolveBase,
  type Refs,
  type ResolvedBase,
} from "./refs.ts";
import { parseRemoteUrl, type Credentials } from "./remote-url.ts";
import { removeWorktree, type RemoveWorktreeInput } from "./remove-worktree.ts";
import type { GitRunner } from "./run.ts";
import {
  serveFetch,
  servePush,
  type GitServing,
  type ServeInput,
  type ServePushInput,
} from "./serve.ts";
import {
  listWorktreeFolders,
  sweepRepository,
  type SweepInput,
  type WorktreeFolders,
} from "./sweep.ts";
import type { SharedRun } from "./shared-run.ts";
import { sweepLocks } from "./sweep-locks.ts";
import { startWorktree } from "./start-worktree.ts";
import { takeIn } from "./take-in.ts";
import { isWhole, type Confine, type WorktreeContext } from "./worktree-git.ts";

interface Cancellable {
  readonly signal?: AbortSignal | undefined;
}

/** A clone of one remote, and the worktrees of its branches. A handle: it costs nothing and holds nothing. */
export interface GitRepository {
  /** The bare repository, which the server alone writes. */
  readonly path: string;
  exists(): Promise<boolean>;
  /** For this and later calls that talk to the remote. */
  saveCredentials(credentials: Credentials): Promise<void>;
  /**
   * Clones, or fetches where the clone is there. Credentials in the url are saved.
   * @throws FactoryError BAD_INPUT, REMOTE_NOT_FOUND, REMOTE_AUTH_FAILED, REMOTE_UNREACHABLE, HOST_FAILURE
   */
  clone(url: string, options?: CloneOptions & { credentials?: Credentials }): Promise<RemoteTips>;
  /**
   * Brings branches and tags up to date. Callers share a fetch that has not begun yet, never one under way;
   * its progress is told to the first of them.
   * @throws FactoryError as `clone`, and REPOSITORY_NOT_READY where there is no clone
   */
  fetch(options?: FetchOptions): Promise<FetchResult>;
  /**
   * Brings the remote's branch to where the local one stands, never by force.
   * @throws FactoryError NOT_FOUND, BRANCH_CONFLICT, FORBIDDEN, and as `clone`
   */
  push(input: PushInput): Promise<PushResult>;
  /**
   * Serves what a client fetches, in the place of the remote: what that has now, out of the clone.
   * @throws FactoryError as `fetch`, REPOSITORY_NOT_READY, SERVICE_UNAVAILABLE
   */
  serveFetch(input: ServeInput): Promise<void>;
  /**
   * Takes what a client pushes where the remote takes it, never by force.
   * @returns where the remote has the branch now; undefined: nothing was pushed
   * @throws FactoryError as `serveFetch`
   */
  servePush(input: ServePushInput): Promise<string | undefined>;
  /**
   * Where the remote's Git LFS keeps files.
   * @throws FactoryError NOT_SUPPORTED, BAD_INPUT, REMOTE_NOT_FOUND, REMOTE_AUTH_FAILED, REMOTE_UNREACHABLE
   */
  findLfsFiles(input: LfsInput): Promise<LfsFile[]>;
  /** As the last fetch left them. */
  branches(options?: Cancellable): Promise<Refs>;
  /** Without tags, and of the branches those that one of this name can be or collide with. */
  branchesNear(branch: string, options?: Cancellable): Promise<Refs>;
  /** The remote's branches of that name, whatever its case; as the last fetch left them. */
  findRemoteBranches(branch: string, options?: Cancellable): Promise<string[]>;
  /** Whether there is such a branch, here or at the remote; the others aren't read. */
  hasBranch(branch: string, options?: Cancellable): Promise<boolean>;
  /** @throws FactoryError BASE_NOT_FOUND */
  resolveBase(base: string, options?: Cancellable): Promise<ResolvedBase>;
  /** The absolute folder of a branch's worktree, whether it is there or not. */
  worktreePath(branch: string): string;
  /** That worktree's own repository: an absolute folder. */
  worktreeGitDir(branch: string): string;
  /** The folder of the clone's objects, which the repositories of its worktrees borrow. */
  readonly objects: string;
  /**
   * Clears up behind a kill or somebody's hand, so that the branch can have a worktree.
   * @throws FactoryError WORKTREE_IN_USE where what is left holds work
   */
  settleWorktree(branch: string, options?: Cancellable): Promise<void>;
  /** What `addWorktree` would refuse, before it is begun and behind `settleWorktree`. @throws FactoryError WORKTREE_IN_USE, BRANCH_CONFLICT */
  assertFree(branch: string): Promise<void>;
  /** Makes it whole or not at all. @throws FactoryError WORKTREE_IN_USE, BRANCH_CONFLICT, BRANCH_EXISTS */
  addWorktree(input: AddWorktreeInput): Promise<AddedWorktree>;
  /**
   * For a session's start: puts the worktree on its branch, as an ordinary repository; resolves with where that
   * stands, null: without a commit. @throws FactoryError WORKTREE_NOT_FOUND, WORKTREE_DIRTY where it would lose something
   */
  startWorktree(branch: string, options?: Cancellable): Promise<string | null>;
  /**
   * Brings the branch from its worktree into the clone, and resolves with where it stands; null: nowhere.
   * @throws FactoryError HOST_FAILURE
   */
  takeIn(branch: string, options?: Cancellable): Promise<string | null>;
  /** What `removeWorktree` would refuse. @throws FactoryError WORKTREE_DIRTY */
  assertNothingLost(input: LossInput): Promise<void>;
  /** The clone's branches with commits that are on no branch of the remote. */
  findUnpushedBranches(options?: Cancellable): Promise<string[]>;
  /** @throws FactoryError WORKTREE_DIRTY */
  removeWorktree(input: RemoveWorktreeInput): Promise<void>;
  /** The same questions about worktrees that no process changes any more: each is looked at once. */
  settled(): SettledReader;
  /** The same questions for whoever asks through the API: with an answer, or an end, within seconds. */
  reader(options: ReaderOptions): WorktreeReader;
  /** As the two below: @throws FactoryError WORKTREE_NOT_FOUND; HOST_FAILURE where git can't read it */
  inspectWorktree(branch: string, options?: Cancellable): Promise<WorktreeState>;
  /** Commits made in a branch's worktree beside it. @throws FactoryError WORKTREE_NOT_FOUND */
  findStray(branch: string, options?: Cancellable): Promise<Stray | undefined>;
  listCommits(input: ListCommitsInput): Promise<GitCommit[]>;
  countCommits(input: HistoryInput): Promise<number>;
  /** From a commit to the branch's tip; null where there is no such branch. */
  countChanges(input: HistoryInput): Promise<ChangeCounts | null>;
  diff(input: DiffInput): Promise<WorktreeDiff>;
  /** Whether both of a worktree's halves are in their place: its folder and its repository. */
  isWhole(branch: string): Promise<boolean>;
  /** What is where worktrees are, whether git knows it or not. */
  listWorktreeFolders(): Promise<WorktreeFolders>;
  /** Puts right what killed processes left here, without touching what is worked on now. @returns a line each */
  sweep(input: SweepInput): Promise<string[]>;
  /** Whether so much has come together since the last time that maintenance is worth its while. */
  isCluttered(options?: Cancellable): Promise<boolean>;
  /**
   * Repacks. Objects that nothing leads to go after two weeks, but none while there is a worktree: what it holds is
   * not known here.
   */
  maintain(options?: Cancellable): Promise<void>;
  /** Whether its home is of a version whose worktrees shared the clone's repository. */
  isOfOlderVersion(): Promise<boolean>;
  /** What `moveOver` would refuse. @throws FactoryError HOST_FAILURE */
  assertMovable(): Promise<void>;
  /** Gives each worktree of such a version a repository of its own, with all that it held. */
  moveOver(): Promise<void>;
  /** Clears what a killed fetch left. */
  recover(): Promise<void>;
  /** With all worktrees and whatever they hold. */
  remove(): Promise<void>;
}

export interface ReaderOptions {
  /** Such questions have fewer of git's places. */
  readonly forWorker: boolean;
}

export type WorktreeReader = Pick<GitRepository, "inspectWorktree" | "countCommits" | "diff">;

export type SettledReader = Pick<GitRepository, "takeIn" | "findStray" | "inspectWorktree">;

export interface RepositoryParts {
  readonly git: GitRunner;
  readonly home: string;
  /** See GitOptions. */
  readonly lockGraceMs: number;
  readonly layout: Layout;
  readonly identity: () => Promise<Identity>;
  readonly protocols: readonly string[];
  /** See GitOptions. */
  readonly confine: Confine | undefined;
  readonly mutex: KeyedMutex;
  readonly serving: GitServing;
  /** The shared fetch of this repository, made where there is none. */
  readonly shareFetch: (
    run: (signal: AbortSignal) => Promise<FetchResult>,
  ) => SharedRun<FetchResult>;
}

/** For each call of git that answers a reader, and for its wait for a place among the others. */
const readTimeoutMs = 10_000;
const maintenanceTimeoutMs = 60 * 60_000;
/** git itself waits for 6,700 loose objects or 50 packs (git-gc(1)), which already slows down every call. */
const looseObjectsToPack = 1_000;
const packsToJoin = 20;

export function createRepository(parts: RepositoryParts): GitRepository {
  const { git, home, layout, mutex, shareFetch, protocols } = parts;
  const place = { gitDirectory: layout.repository };
  const fetch = ({ signal, onProgress }: FetchOptions = {}) =>
    shareFetch(async (ending) => {
      await assertCloned();
      return fetchRemote(git, layout, { signal: ending, onProgress });
    }).join(signal);
  const context: WorktreeContext = {
    git,
    layout,
    place,
    identity: parts.identity,
    exclusively: (action) => mutex.run(layout.repository, action),
    fetch: (signal) => fetch({ signal }),
  };
  const confined: WorktreeContext = { ...context, confine: parts.confine };
  const changing = <T>(branch: string, action: () => Promise<T>, signal?: AbortSignal) =>
    mutex.run(layout.control(branch), () => explainRead(branch, action), signal);

  const reader = ({ forWorker }: ReaderOptions): WorktreeReader =>
    createReader({
      ...confined,
      git: (call) =>
        git({ ...call, timeoutMs: readTimeoutMs, maxWaitMs: readTimeoutMs, forWorker }),
    });

  async function assertCloned(): Promise<void> {
    if (await isCloned(layout)) return;
    throw new FactoryError("REPOSITORY_NOT_READY", "the repository is not cloned: clone it first");
  }

  return {
    path: layout.repository,
    exists: () => isCloned(layout),
    saveCredentials: (credentials) => saveCredentials(layout.credentials, credentials),
    async clone(text, { credentials, ...options } = {}) {
      const remote = parseRemoteUrl(text, protocols);
      const given = credentials ?? remote.credentials;
      return mutex.run(
        `clone ${layout.repository}`,
        async () => {
          if (given !== undefined) await saveCredentials(layout.credentials, given);
          if (!(await isCloned(layout))) return cloneRepository(git, layout, remote.url, options);
          const { defaultBranch, headCommit } = await fetchRemote(git, layout, options);
          return { defaultBranch, headCommit };
        },
        options.signal,
      );
    },
    fetch,
    push: (input) => pushBranch(context, input),
    serveFetch: (input) => serveFetch(parts.serving, context, input),
    servePush: (input) => servePush(parts.serving, context, input),
    async findLfsFiles(input) {
      return findLfsFiles(await readCredentials(layout.credentials), input);
    },
    branches: ({ signal } = {}) => readRefs(git, place, signal),
    branchesNear: (branch, { signal } = {}) => readRefsNear(git, place, branch, signal),
    hasBranch: (branch, { signal } = {}) => hasBranch(git, place, branch, signal),
    findRemoteBranches: (branch, { signal } = {}) => findRemoteBranches(git, place, branch, signal),
    async resolveBase(base, { signal } = {}) {
      const branch = base.replace(/^refs\/heads\//, "");
      // As its worktree has it now.
      if (await isThere(layout.ownRepository(branch))) {
        await changing(branch, () => takeIn(confined, branch, signal), signal);
      }
      return resolveBase(git, place, base, signal);
    },
    worktreePath: (branch) => layout.worktree(branch),
    worktreeGitDir: (branch) => layout.ownRepository(branch),
    objects: join(layout.repository, "objects"),
    settleWorktree: (branch, { signal } = {}) =>
      changing(branch, () => settleWorktree(context, branch, signal), signal),
    assertFree: (branch) => assertFree(context, branch),
    startWorktree: (branch, { signal } = {}) =>
      changing(
        branch,
        async () => {
          const own = layout.ownRepository(branch);
          const folders = [layout.control(branch), layout.worktree(branch)];
          await sweepLocks(own, folders, { home, graceMs: parts.lockGraceMs });
          return startWorktree(context, branch, signal);
        },
        signal,
      ),
    takeIn: (branch, { signal } = {}) =>
      changing(branch, () => takeIn(context, branch, signal), signal),
    settled() {
      const settled: WorktreeContext = { ...context, opened: new Map() };
      return {
        ...createReader(settled),
        takeIn: (branch, { signal } = {}) =>
          changing(branch, () => takeIn(settled, branch, signal), signal),
        findStray: (branch, { signal } = {}) =>
          explainRead(branch, () => findStray(settled, branch, signal)),
      };
    },
    assertNothingLost: (input) => assertNothingLost(context, input),
    findUnpushedBranches: ({ signal } = {}) => findUnpushedBranches(context, signal),
    async addWorktree(input) {
      const { branch, signal } = input;
      return changing(branch, () => addWorktree(context, input), signal);
    },
    async removeWorktree(input) {
      const { branch, signal } = input;
      return changing(branch, () => removeWorktree(context, input), signal);
    },
    ...createReader(context),
    reader,
    findStray: (branch, { signal } = {}) =>
      explainRead(branch, () => findStray(context, branch, signal)),
    listCommits: (input) => explainRead(input.branch, () => listCommits(confined, input)),
    countChanges: (input) => explainRead(input.branch, () => countChanges(confined, input)),
    isWhole: (branch) => isWhole(context, branch),
    listWorktreeFolders: () => listWorktreeFolders(layout),
    sweep: (input) =>
      sweepRepository(
        {
          context,
          home,
          lockGraceMs: parts.lockGraceMs,
          ifIdle: (branch, run) => mutex.runIfIdle(layout.control(branch), run),
        },
        input,
      ),
    async isCluttered({ signal } = {}) {
      const counts = await git({ arguments: ["count-objects", "-v"], place, signal });
      const count = (name: string) =>
        Number(new RegExp(`^${name}: (\\d+)$`, "m").exec(counts)?.[1]);
      return count("count") >= looseObjectsToPack || count("packs") >= packsToJoin;
    },
    async maintain({ signal } = {}) {
      const hasWorktrees = ((await listIfThere(layout.ownRepositories)) ?? []).length > 0;
      const commands = hasWorktrees
        ? [
            // Where there is no pack yet, the second one would leave loose objects as they are.
            ["repack", "-d", "-l", "--quiet"],
            ["repack", "-a", "-d", "-l", "--keep-unreachable", "--quiet"],
            ["pack-refs", "--all"],
          ]
        : [["gc", "--prune=2.weeks.ago", "--quiet"]];
      for (const command of commands) {
        await git({ arguments: command, place, signal, timeoutMs: maintenanceTimeoutMs });
      }
    },
    isOfOlderVersion: () => isThere(join(oldControlOf(layout), "config")),
    assertMovable: () => assertMovable(layout, home),
    moveOver: () => moveOver(context),
    async recover() {
      // What a killed fetch had received so far; git itself removes it only after two weeks.
      const packs = join(layout.repository, "objects/pack");
      for (const file of (await listIfThere(packs)) ?? []) {
        if (!file.startsWith("tmp_")) continue;
        await removeAbandoned(join(packs, file), { home, graceMs: parts.lockGraceMs });
      }
    },
    async remove() {
      const { repository, controls, ownRepositories, worktrees, credentials } = layout;
      await context.exclusively(async () => {
        // The clone goes first: without it the repository doesn't count as there.
        for (const path of [repository, controls, ownRepositories, worktrees]) {
          await removeTrash(await moveToTrash(path, layout.trash));
        }
        await removeCredentials(credentials);
        for (const path of [repository, controls, worktrees, credentials]) {
          await removeEmptyFolders(join(path, ".."), home);
        }
      });
    },
  };
}

function createReader(context: WorktreeContext): WorktreeReader {
  return {
    inspectWorktree: (branch, { signal } = {}) =>
      explainRead(branch, () => inspectWorktree(context, branch, signal)),
    countCommits: (input) => explainRead(input.branch, () => countCommits(context, input)),
    diff: (input) => explainRead(input.branch, () => diffWorktree(context, input)),
  };
}
