// A runner's own clone of a repository whose row tells of another runner's.
import type { Repository } from "../generated/prisma/client.ts";
import type { Git, RemoteTips } from "../git/git.ts";
import { step } from "../measurements.ts";
import { createKeyedMutex } from "../git/lock.ts";
import { openClone } from "./clone.ts";

/** Longer than any clone that makes sense; a wait beyond it is a fault to be told. */
const lockTimeoutMs = 60 * 60_000;

export interface Copier {
  /** Clones where this runner has no clone yet; tells whether it had one. */
  ensure(repository: Repository, signal?: AbortSignal): Promise<boolean>;
  /** Clones or fetches, and returns the row with the tips as they are in this runner's clone. */
  refresh(repository: Repository, signal: AbortSignal, maxAgeSeconds: number): Promise<Repository>;
}

export function createCopier({ git }: { readonly git: Git }): Copier {
  // Those who need the same clone at the same time wait for the first one's.
  const mutex = createKeyedMutex({ timeoutMs: lockTimeoutMs });
  const fetched = new Map<string, { readonly tips: RemoteTips; readonly at: number }>();

  async function cloneIfMissing(
    repository: Repository,
    signal: AbortSignal | undefined,
  ): Promise<RemoteTips | undefined> {
    const handle = openClone(git, repository);
    const facts = { repository: repository.key };
    return mutex.run(
      repository.id,
      async () => {
        if (await handle.exists()) return undefined;
        return step("clone", { facts }, () => handle.clone(repository.url, { signal }));
      },
      signal,
    );
  }

  return {
    async ensure(repository, signal) {
      return (await cloneIfMissing(repository, signal)) === undefined;
    },
    async refresh(repository, signal, maxAgeSeconds) {
      const last = fetched.get(repository.id);
      const isFresh = last !== undefined && performance.now() - last.at < maxAgeSeconds * 1000;
      const began = performance.now();
      const cloned = await cloneIfMissing(repository, signal);
      if (cloned === undefined && isFresh) return { ...repository, ...last.tips };
      const { defaultBranch, headCommit } =
        cloned ??
        (await step("fetch", { facts: { repository: repository.key } }, () =>
          openClone(git, repository).fetch({ signal }),
        ));
      const tips = { defaultBranch, headCommit };
      fetched.set(repository.id, { tips, at: began });
      return { ...repository, ...tips };
    },
  };
}
