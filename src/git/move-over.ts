// Homes of a version whose worktrees shared the repository of their clone: each gets one of its own. Until the old
// control folder of a clone is gone it can be gone through again, from wherever it was left.
import { randomUUID } from "node:crypto";
// eslint-disable-next-line no-restricted-imports -- links, FIFOs and devices were refused, and nobody works there
import { cp } from "node:fs/promises";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative, sep } from "node:path";
import { FactoryError } from "../errors.ts";
import { initialize } from "./clone.ts";
import { composeConfiguration } from "./control.ts";
import {
  isThere,
  listIfThere,
  moveToTrash,
  readIfSound,
  removeFolder,
  removeTrash,
  replaceFile,
} from "./files.ts";
import { readCloneTip } from "./inspect-worktree.ts";
import { worktreeId, type Layout } from "./layout.ts";
import { assertNoOddFile } from "./odd-file.ts";
import { makeOwnRepository, readCloneRefs } from "./own-repository.ts";
import { findGitPlaces, isBelow } from "./processes.ts";
import { gitFileOf, type WorktreeContext } from "./worktree-git.ts";

/** The earlier version's way into the clone; it is there as long as something is to be moved over. */
export function oldControlOf({ controls }: Layout): string {
  return `${controls}.git`;
}

interface Entry {
  readonly branch: string;
  /** What git keeps of the worktree in the clone. */
  readonly folder: string;
}

/** @throws FactoryError HOST_FAILURE, with what is to be done first; nothing is changed then */
export async function assertMovable(layout: Layout, home: string): Promise<void> {
  const { repository, worktrees } = layout;
  await assertNoOddFile(repository);
  const refuse = (what: string) => {
    throw new FactoryError(
      "HOST_FAILURE",
      `FACTORY_HOME is of an earlier version, and can't be taken over yet: ${what}`,
    );
  };
  const places = await findGitPlaces(home);
  const busy = places?.find((place) => isBelow(place, [repository, worktrees]));
  if (busy !== undefined) refuse(`a git works in ${busy}; wait for its end, or end it`);
  const alternates = join(repository, "objects/info/alternates");
  if (await isThere(alternates)) {
    refuse(
      `${alternates} names objects of another repository; repack ${repository}, and remove it`,
    );
  }
  for (const { branch, folder } of await listEntries(layout)) {
    if (!(await isThere(join(folder, "modules")))) continue;
    refuse(
      `the worktree of ${branch} (${layout.worktree(branch)}) has submodules; push what is in them, and run git submodule deinit --all there, then remove ${folder}/modules`,
    );
  }
}

/** Behind `assertMovable`. */
export async function moveOver(context: WorktreeContext): Promise<void> {
  const { layout, git } = context;
  const { repository, making, trash } = layout;
  const oldControl = oldControlOf(layout);
  if (await isThere(repository)) {
    const url = await git({
      arguments: ["config", "--file", join(oldControl, "config"), "--get", "remote.origin.url"],
      place: { gitDirectory: oldControl },
    });
    const probe = join(making, randomUUID());
    try {
      await initialize(git, probe, url.trim(), undefined);
      for (const name of ["hooks", "info", "config.worktree"]) {
        // Written by workers: kept where no git reads it.
        const kept = join(repository, `${name}.before`);
        if (!(await isThere(join(repository, name)))) continue;
        await removeTrash(await moveToTrash(kept, trash));
        await rename(join(repository, name), kept);
      }
      for (const name of ["config", "worktree-config"]) {
        await rename(join(probe, name), join(repository, name));
      }
    } finally {
      await removeFolder(probe);
    }
    // From here on git reads nothing in the clone that a worker has written.
    await finishJournals(context, join(oldControl, "journal"));
    for (const entry of await listEntries(layout)) await moveEntry(context, entry);
  }
  await removeTrash(await moveToTrash(oldControl, trash));
}

/** The entries of the server's own worktrees. What workers have made stays linked to the clone. */
async function listEntries({ repository, worktrees }: Layout): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (const id of (await listIfThere(join(repository, "worktrees"))) ?? []) {
    const folder = join(repository, "worktrees", id);
    const gitFile = (await readIfSound(join(folder, "gitdir")))?.trim() ?? "";
    if (!gitFile.startsWith(worktrees + sep)) continue;
    const branch = relative(worktrees, dirname(gitFile));
    if (worktreeId(branch) === id) entries.push({ branch, folder });
  }
  return entries;
}

/** Of the entry it is the place that is left out, and what a killed git held. */
const leftOut = /^(?:gitdir|commondir|locked|config\.worktree|.*\.lock)$/;

async function moveEntry(context: WorktreeContext, { branch, folder }: Entry): Promise<void> {
  const { layout } = context;
  const own = layout.ownRepository(branch);
  const gitFile = join(layout.worktree(branch), ".git");
  // Whoever finds both was stopped before the old one was gone. Nobody has worked in either since.
  await removeTrash(await moveToTrash(own, layout.trash));
  const making = join(layout.making, randomUUID());
  try {
    const { packed, tip: commit } = await readCloneRefs(context, branch, undefined);
    await makeOwnRepository(context, { folder: making, branch, commit, packed });
    await cp(folder, making, {
      recursive: true,
      force: true,
      verbatimSymlinks: true,
      preserveTimestamps: true,
      filter: (path) => !leftOut.test(basename(path)),
    });
    await copyCheckedOut(context, making, branch);
    const config = await composeConfiguration(
      layout,
      layout.worktree(branch),
      await context.identity(),
    );
    await writeFile(join(making, "config"), config);
    await mkdir(dirname(own), { recursive: true });
    await rename(making, own);
  } finally {
    await removeFolder(making);
  }
  // Another one in its place is somebody's own.
  if ((await readIfSound(gitFile))?.trim() === `gitdir: ${folder}`) {
    await replaceFile(gitFile, gitFileOf(layout, branch));
  }
  await removeTrash(await moveToTrash(folder, layout.trash));
}

/** A branch that the worker has gone over to. */
async function copyCheckedOut(
  context: WorktreeContext,
  folder: string,
  branch: string,
): Promise<void> {
  const head = (await readIfSound(join(folder, "HEAD"))) ?? "";
  const other = /^ref: refs\/heads\/(.+)\n$/.exec(head)?.[1];
  if (other === undefined || other === branch) return;
  const tip = await readCloneTip(context, other, undefined);
  if (tip !== null) await replaceFile(join(folder, "refs/heads", other), `${tip}\n`);
}

/** What the earlier version was in the middle of: no worker was let in yet, or any more. */
async function finishJournals(context: WorktreeContext, journals: string): Promise<void> {
  const { layout, git, place } = context;
  for (const file of (await listIfThere(journals)) ?? []) {
    const text = file.endsWith(".json") ? await readIfSound(join(journals, file)) : undefined;
    if (text === undefined) continue;
    // Written whole by that version alone, in a folder that is the server's own.
    const { branch, branchCommit } = JSON.parse(text) as {
      readonly branch: string;
      readonly branchCommit: string | null;
    };
    const entry = join(layout.repository, "worktrees", worktreeId(branch));
    for (const path of [layout.worktree(branch), entry]) {
      await removeTrash(await moveToTrash(path, layout.trash));
    }
    const tip = branchCommit === null ? null : await readCloneTip(context, branch, undefined);
    if (tip === null || tip !== branchCommit) continue;
    const removal = ["update-ref", "--no-deref", "-d", `refs/heads/${branch}`, tip];
    await git({ arguments: removal, place, waitsForLocks: true });
  }
}
