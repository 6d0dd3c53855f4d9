import type { Database, PrismaClient } from "../database/client.ts";
import { FactoryError, isErrorCode } from "../errors.ts";
import type { Repository } from "../generated/prisma/client.ts";
import type { Git, GitRepository } from "../git/git.ts";
import { checkOwner, checkRepositoryName } from "../git/names.ts";
import {
  isSameRemote,
  parseRemoteUrl,
  type Credentials,
  type RemoteUrl,
} from "../git/remote-url.ts";
import type { Logger } from "../log.ts";
import { step } from "../measurements.ts";
import type { RunnerCalls } from "../runners/calls.ts";
import { chooseRunner } from "../runners/choose.ts";
import type { Sealer } from "../seal.ts";
import { untilAborted } from "../until-aborted.ts";
import { assertUsable, createCloner, openClone } from "./clone.ts";
import { createCopier } from "./copy.ts";
import { repositoryKey, repositoryStreamKey, worktreeStreamKey } from "./events.ts";
import { appendRepositoryEvent, changeRepository, lockKey } from "./record.ts";
import { cloneMethod, forgetMethod, homeOf, syncMethod, unpushedMethod } from "./home.ts";
import { createOutcomeRecorder } from "./outcome.ts";
import { createRemover, type Removal } from "./remove.ts";
import { sweepRepositories } from "./sweep.ts";
import { createSyncer, type SyncResult } from "./sync.ts";

export interface RepositoryName {
  readonly owner: string;
  readonly name: string;
}

export interface RepositoryService {
  /** Starts cloning and returns at once. @throws FactoryError BAD_INPUT, REPOSITORY_CONFLICT */
  clone(
    input: RepositoryName & { url?: string | undefined },
  ): Promise<{ repository: Repository; created: boolean }>;
  /** As `clone`, within the caller's transaction; `begin` starts the cloning after its commit. */
  require(transaction: Database, input: RepositoryName): Promise<Repository>;
  begin(repository: Repository): void;
  find(input: RepositoryName): Promise<Repository | null>;
  /** @throws FactoryError REPOSITORY_NOT_FOUND */
  get(input: RepositoryName): Promise<Repository>;
  /** Fetches at the repository's own clone, and returns when the fetch has ended. */
  sync(input: RepositoryName, signal?: AbortSignal): Promise<SyncResult>;
  /**
   * Clones on this runner where that is needed, fetches where the last fetch is too old, and returns the
   * row, with the tips as they are in this runner's clone.
   */
  prepare(
    repositoryId: string,
    signal: AbortSignal,
    options?: { readonly maxAgeSeconds: number },
  ): Promise<Repository>;
  /** This runner's clone. */
  open(repository: Repository): GitRepository;
  /** Whether the row tells of this runner's clone. */
  isHome(repository: Repository): boolean;
  /** The runner whose clone the row tells of. @throws FactoryError RUNNER_UNAVAILABLE */
  home(repository: Repository): Promise<string>;
  /** @throws FactoryError REPOSITORY_IN_USE, REPOSITORY_NOT_READY */
  remove(
    input: RepositoryName & { force: boolean },
    how: Omit<Removal, "force">,
  ): Promise<Repository>;
  /** Names what stands in the rows as secret to `addSecrets`. */
  recallSecrets(): Promise<void>;
  /** Takes up what a killed server left in the middle. */
  recover(): Promise<void>;
  /** Takes up rows that say that this runner works on them, but nobody does. @returns a line each */
  sweep(runnerId: string): Promise<string[]>;
  close(): Promise<void>;
}

export interface RepositoryDependencies {
  readonly prisma: PrismaClient;
  readonly git: Git;
  readonly calls: RunnerCalls;
  readonly sealer: Sealer;
  /** Takes what must not be shown of workers' work. */
  readonly addSecrets: (values: readonly string[]) => void;
  readonly logger: Logger;
  readonly remoteTemplate: string;
  readonly gitProtocols: readonly string[];
  /** Seconds for which an earlier fetch counts as fresh. */
  readonly syncMaxAge: number;
}

export function createRepositoryService(deps: RepositoryDependencies): RepositoryService {
  const { prisma, git, calls, sealer, addSecrets, logger } = deps;
  const outcomes = createOutcomeRecorder(deps);
  const cloner = createCloner({ ...deps, outcomes, bringCredentials });
  const syncer = createSyncer({ ...deps, outcomes });
  const remover = createRemover({
    ...deps,
    outcomes,
    isBusy: (id) => cloner.isUnderway(id) || syncer.isUnderway(id),
  });
  const copier = createCopier(deps);

  /** To this runner's git layer, where a url came with some. */
  async function bringCredentials(repository: Repository): Promise<void> {
    const { credentials } = repository;
    if (credentials === null || calls.runnerId === undefined) return;
    const unsealed = sealer.unseal(credentials);
    if (unsealed === undefined) {
      logger.warn({ repository: repository.key }, "credentials were sealed with another token");
      return;
    }
    // Sealed below alone, which that it could be unsealed has shown.
    const known = JSON.parse(unsealed) as Credentials;
    addSecrets([known.password]);
    await openClone(git, repository).saveCredentials(known);
  }

  calls.handle(cloneMethod, async ({ repositoryId }) => {
    const repository = await prisma.repository.findUniqueOrThrow({ where: { id: repositoryId } });
    await cloner.start(repository);
    return {};
  });
  calls.handle(syncMethod, async ({ repositoryId }) => {
    const repository = await prepareHome(repositoryId);
    const { updated } = await syncer.sync(repository);
    return { updated };
  });
  calls.handle(unpushedMethod, async (repository) => {
    const clone = openClone(git, repository);
    return { branches: (await clone.exists()) ? await clone.findUnpushedBranches() : [] };
  });
  calls.handle(forgetMethod, async (repository) => {
    await openClone(git, repository).remove();
    return {};
  });

  /** A runner that has just become a repository's home may not have cloned it yet. */
  async function prepareHome(repositoryId: string): Promise<Repository> {
    const repository = await prisma.repository.findUniqueOrThrow({ where: { id: repositoryId } });
    await bringCredentials(repository);
    if (repository.lastSyncedAt !== null) await copier.ensure(repository);
    return repository;
  }

  /** Resolves when the clone has ended, however; rejects where it could not be begun. */
  async function clone(repository: Repository): Promise<void> {
    const home = await homeOf(deps, repository);
    await calls.call(home, cloneMethod, { repositoryId: repository.id });
  }

  /** The same, for nobody in particular: never rejects. */
  async function startCloning(repository: Repository): Promise<void> {
    try {
      await clone(repository);
    } catch (error) {
      // The row stays CLONING, and whoever needs the repository next tries again.
      logger.warn({ err: error, repository: repository.key }, "a clone could not be begun");
    }
  }

  function checkName({ owner, name }: RepositoryName): void {
    checkOwner(owner);
    checkRepositoryName(name);
  }

  function remoteOf({ owner, name }: RepositoryName, url: string | undefined): RemoteUrl {
    const text =
      url ??
      deps.remoteTemplate.replaceAll("{owner}", () => owner).replaceAll("{name}", () => name);
    return parseRemoteUrl(text, deps.gitProtocols);
  }

  function find(input: RepositoryName): Promise<Repository | null> {
    checkName(input);
    return prisma.repository.findUnique({
      where: { key: repositoryKey(input.owner, input.name) },
    });
  }

  async function get(input: RepositoryName): Promise<Repository> {
    const repository = await find(input);
    if (repository !== null) return repository;
    throw new FactoryError(
      "REPOSITORY_NOT_FOUND",
      `there is no repository ${input.owner}/${input.name}: clone it first`,
    );
  }

  /** null where no runner is there yet: the first that is becomes its home. */
  async function chooseHome(transaction: Database): Promise<string | null> {
    if (calls.runnerId !== undefined) return calls.runnerId;
    return chooseRunner(transaction, undefined, calls).catch((error: unknown) => {
      if (error instanceof FactoryError) return null;
      throw error;
    });
  }

  async function create(
    transaction: Database,
    { owner, name }: RepositoryName,
    url: string,
  ): Promise<Repository> {
    // A repository that was deleted and is cloned again goes on with its numbering.
    const openStream = (key: string) =>
      transaction.stream.upsert({ where: { key }, create: { key }, update: {} });
    // One after the other: what is still under way when a transaction fails would run outside of it.
    const stream = await openStream(repositoryStreamKey(owner, name));
    const worktreeStream = await openStream(worktreeStreamKey(owner, name));
    const repository = await transaction.repository.create({
      data: {
        runnerId: await chooseHome(transaction),
        owner,
        name,
        key: repositoryKey(owner, name),
        url,
        status: "CLONING",
        streamId: stream.id,
        worktreeStreamId: worktreeStream.id,
      },
    });
    await appendRepositoryEvent(transaction, repository, {
      status: "CLONING",
      progress: 0,
      message: null,
    });
    return repository;
  }

  /** The row, made where it is missing. Concurrent callers wait for the first one's. */
  async function obtain(
    transaction: Database,
    input: RepositoryName,
    url: () => string,
  ): Promise<{ repository: Repository; created: boolean }> {
    const key = repositoryKey(input.owner, input.name);
    await lockKey(transaction, key);
    const existing = await transaction.repository.findUnique({ where: { key } });
    if (existing === null) {
      return { repository: await create(transaction, input, url()), created: true };
    }
    if (existing.status !== "FAILED" || existing.lastSyncedAt !== null) {
      return { repository: existing, created: false };
    }
    const again = await changeRepository(transaction, existing.id, { status: "CLONING" });
    return { repository: again, created: false };
  }

  return {
    find,
    get,
    async clone({ url, ...input }) {
      checkName(input);
      const remote = remoteOf(input, url);
      const result = await prisma.$transaction(async (transaction) => {
        const { repository, created } = await obtain(transaction, input, () => remote.url);
        if (url !== undefined) assertSameUrl(repository, remote.url);
        if (remote.credentials === undefined) return { repository, created };
        addSecrets([remote.credentials.password]);
        const credentials = sealer.seal(JSON.stringify(remote.credentials));
        const { id } = repository;
        return {
          repository: await transaction.repository.update({ where: { id }, data: { credentials } }),
          created,
        };
      });
      const { repository } = result;
      if (repository.status === "CLONING") void startCloning(repository);
      if (remote.credentials !== undefined) await bringCredentials(repository);
      return result;
    },
    async require(transaction, input) {
      checkName(input);
      const { repository } = await obtain(transaction, input, () => remoteOf(input, undefined).url);
      if (repository.status === "REMOVING") assertUsable(repository);
      return repository;
    },
    begin(repository) {
      if (repository.status === "CLONING") void startCloning(repository);
    },
    async sync(input, signal) {
      const repository = await get(input);
      assertUsable(repository);
      const home = await homeOf(deps, repository);
      // Nobody else hears that the last of those who waited has gone.
      if (home === calls.runnerId) {
        return syncer.sync(await prepareHome(repository.id), signal);
      }
      const { updated } = await calls.call(
        home,
        syncMethod,
        { repositoryId: repository.id },
        signal,
      );
      return { repository: await get(input), updated };
    },
    async prepare(repositoryId, signal, { maxAgeSeconds } = { maxAgeSeconds: deps.syncMaxAge }) {
      let repository = await prisma.repository.findUniqueOrThrow({ where: { id: repositoryId } });
      if (repository.status === "CLONING") {
        // An outage on the way to the clone is no failure of it: whoever waits for it tries again.
        const cloning = clone(repository);
        await step("clone", { facts: { repository: repository.key } }, () =>
          untilAborted(cloning, signal),
        );
        repository = await prisma.repository.findUniqueOrThrow({ where: { id: repositoryId } });
      }
      // Also where the clone that the dispatch began had failed before it was waited for.
      const isCloned = repository.lastSyncedAt !== null || repository.status === "REMOVING";
      if (!isCloned) throw recordedFailure(repository);
      assertUsable(repository);
      const home = await homeOf(deps, repository);
      if (home !== calls.runnerId) {
        await bringCredentials(repository);
        return copier.refresh(repository, signal, maxAgeSeconds);
      }
      const wasThere = await copier.ensure(repository, signal);
      const age = Date.now() - (repository.lastSyncedAt?.getTime() ?? 0);
      const isFresh = repository.status === "SYNCED" && age < maxAgeSeconds * 1000;
      if (wasThere && isFresh) return repository;
      const stale = repository;
      const synced = await step("fetch", { facts: { repository: stale.key } }, () =>
        syncer.sync(stale, signal),
      );
      return synced.repository;
    },
    isHome: ({ runnerId }) => runnerId !== null && runnerId === calls.runnerId,
    home: (repository) => homeOf(deps, repository),
    open: (repository) => openClone(git, repository),
    remove({ force, ...input }, how) {
      checkName(input);
      const key = repositoryKey(input.owner, input.name);
      return remover.remove(key, () => get(input), { force, ...how });
    },
    async recallSecrets() {
      const sealed = await prisma.repository.findMany({
        where: { credentials: { not: null } },
        select: { credentials: true },
      });
      for (const { credentials } of sealed) {
        const unsealed = credentials === null ? undefined : sealer.unseal(credentials);
        // Sealed below alone.
        if (unsealed !== undefined) addSecrets([(JSON.parse(unsealed) as Credentials).password]);
      }
    },
    async recover() {
      // A fetch that was killed has changed nothing that the next one wouldn't: its row says so.
      const runnerId = calls.runnerId ?? null;
      // From before there was more than one runner.
      await prisma.repository.updateMany({ where: { runnerId: null }, data: { runnerId } });
      const ofStatus = (status: "SYNCING" | "CLONING") =>
        prisma.repository.findMany({ where: { status, runnerId } });
      for (const { id } of await ofStatus("SYNCING")) {
        await prisma.$transaction((transaction) =>
          changeRepository(transaction, id, {
            status: "FAILED",
            message: "the server was stopped during a fetch",
            data: {
              failureCode: "SERVICE_UNAVAILABLE",
              error: "the server was stopped during a fetch: sync again",
            },
          }),
        );
      }
      for (const repository of await ofStatus("CLONING")) {
        void cloner.start(repository);
      }
    },
    sweep: (runnerId) => sweepRepositories({ prisma, cloner, syncer, remover }, runnerId),
    async close() {
      await Promise.all([cloner.close(), outcomes.close()]);
    },
  };
}

/** @throws FactoryError REPOSITORY_CONFLICT */
function assertSameUrl(repository: Repository, url: string): void {
  if (isSameRemote(repository.url, url)) return;
  throw new FactoryError(
    "REPOSITORY_CONFLICT",
    `${repository.owner}/${repository.name} is already here, cloned from ${repository.url}: delete it first, or leave the url out`,
  );
}

function recordedFailure(repository: Repository): FactoryError {
  return new FactoryError(
    isErrorCode(repository.failureCode) ? repository.failureCode : "REPOSITORY_NOT_READY",
    repository.error ?? `${repository.owner}/${repository.name} could not be cloned`,
  );
}
