// Reading refs: here, and at the remote.
import { FactoryError } from "../errors.ts";
import { GitFailure, usesSha256 } from "./failure.ts";
import type { GitPlace, GitRunner } from "./run.ts";

/** Short names and the objects that they name; of a tag that may be a tag object. */
export interface Refs {
  readonly local: ReadonlyMap<string, string>;
  /** What the last fetch found. */
  readonly remote: ReadonlyMap<string, string>;
  readonly tags: ReadonlyMap<string, string>;
  /** What refs/remotes/origin/HEAD stands for. */
  readonly remoteHead: string | null;
}

/** What the remote has now. */
export interface RemoteRefs {
  readonly branches: ReadonlyMap<string, string>;
  readonly tags: ReadonlyMap<string, string>;
  /** null: it has no commit, or its HEAD is detached and no branch stands where it does. */
  readonly defaultBranch: string | null;
}

const remoteFolder = "refs/remotes/origin/";
const allFolders = ["refs/heads/", remoteFolder, "refs/tags/"];

export async function readRefs(
  git: GitRunner,
  place: GitPlace,
  signal: AbortSignal | undefined,
  /** Patterns of git-for-each-ref(1): a full ref also stands for those in a folder of that name. Default: all. */
  only: readonly string[] = allFolders,
): Promise<Refs> {
  // Without any field of the objects themselves, which git would have to read for each ref.
  const output = await git({
    arguments: ["for-each-ref", "--format=%(objectname) %(refname) %(symref)", ...only],
    place,
    signal,
  });
  const local = new Map<string, string>();
  const remote = new Map<string, string>();
  const tags = new Map<string, string>();
  let remoteHead: string | null = null;
  for (const line of output.split("\n")) {
    const [id = "", ref = "", symbolic = ""] = line.split(" ");
    if (ref === `${remoteFolder}HEAD`) remoteHead = after(remoteFolder, symbolic) ?? null;
    else store(ref, id, { [remoteFolder]: remote, "refs/heads/": local, "refs/tags/": tags });
  }
  return { local, remote, tags, remoteHead };
}

/** Whether there is such a branch, here or at the remote as the last fetch found it. */
export async function hasBranch(
  git: GitRunner,
  place: GitPlace,
  branch: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const only = ["refs/heads/", remoteFolder].map((folder) => `${folder}${branch}`);
  const { local, remote } = await readRefs(git, place, signal, only);
  return local.has(branch) || remote.has(branch);
}

/** What a branch can be or collide with: its own name and all in the folder of its first part, whatever their case. */
export async function readRefsNear(
  git: GitRunner,
  place: GitPlace,
  branch: string,
  signal: AbortSignal | undefined,
): Promise<Refs> {
  const [first = branch] = branch.split("/");
  // git ignores the case of ASCII alone. An accent may be of its own, behind the letter.
  const like = first.replaceAll(/\p{ASCII}?\P{ASCII}+/gu, "*");
  // A pattern that stands for a folder is compared with regard to case, whatever the option says; these two aren't.
  const only = ["refs/heads/", remoteFolder].flatMap((folder) => [
    `${folder}${like}`,
    `${folder}${like}/**`,
  ]);
  return readRefs(git, place, signal, ["--ignore-case", ...only]);
}

/** The remote's branches of that name, whatever its case, as the last fetch found them. */
export async function findRemoteBranches(
  git: GitRunner,
  place: GitPlace,
  branch: string,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const output = await git({
    arguments: ["for-each-ref", "--ignore-case", "--format=%(refname)", `${remoteFolder}${branch}`],
    place,
    signal,
  });
  // The pattern also stands for a folder of that name.
  return output
    .split("\n")
    .flatMap((ref) => after(remoteFolder, ref) ?? [])
    .filter((name) => name.toLowerCase() === branch.toLowerCase());
}

export async function readRemoteRefs(
  git: GitRunner,
  place: GitPlace,
  call: {
    signal?: AbortSignal | undefined;
    environment: Record<string, string>;
    timeoutMs: number;
  },
): Promise<RemoteRefs> {
  const output = await git({
    arguments: ["ls-remote", "--symref", "origin", "HEAD", "refs/heads/*", "refs/tags/*"],
    place,
    network: true,
    ...call,
  });
  const branches = new Map<string, string>();
  const tags = new Map<string, string>();
  let head: string | undefined;
  let symbolic: string | undefined;
  for (const line of output.split("\n")) {
    const [what = "", ref = ""] = line.split("\t");
    // 64 digits: of SHA-256 (git-ls-remote(1)).
    if (/^[0-9a-f]{64}$/.test(what)) throw new FactoryError("NOT_SUPPORTED", usesSha256);
    // A name of a hostile remote may hold a line break, and look like a line without an id behind it.
    if (!what.startsWith("ref: ") && !/^[0-9a-f]{40}$/.test(what)) continue;
    if (ref === "HEAD") {
      if (what.startsWith("ref: ")) symbolic = after("refs/heads/", what.slice("ref: ".length));
      else head = what;
      continue;
    }
    // `^{}` is what a tag object leads to.
    if (ref !== "refs/heads/HEAD" && !ref.endsWith("^{}")) {
      store(ref, what, { "refs/heads/": branches, "refs/tags/": tags });
    }
  }
  return { branches, tags, defaultBranch: chooseDefault(symbolic, head, branches) };
}

/** A remote with a detached HEAD, or too old to tell: the branch that stands where its HEAD does. */
function chooseDefault(
  symbolic: string | undefined,
  head: string | undefined,
  branches: ReadonlyMap<string, string>,
): string | null {
  if (symbolic !== undefined && branches.has(symbolic)) return symbolic;
  if (head === undefined) return null;
  const candidates = [...branches].filter(([, id]) => id === head).map(([name]) => name);
  return ["main", "master"].find((name) => candidates.includes(name)) ?? candidates[0] ?? null;
}

export interface ResolvedBase {
  /** The full ref, or the full commit id. */
  readonly ref: string;
  readonly commit: string;
}

/**
 * A branch of the remote, a tag, a local branch, then a commit id; a full ref, or origin/ before a branch,
 * says which is meant where several have the name.
 * @throws FactoryError BASE_NOT_FOUND
 */
export async function resolveBase(
  git: GitRunner,
  place: GitPlace,
  base: string,
  signal: AbortSignal | undefined,
): Promise<ResolvedBase> {
  const names = [base, after("origin/", base) ?? base];
  const full = names.flatMap((name) => allFolders.map((folder) => `${folder}${name}`));
  const only = base.startsWith("refs/") ? [...full, base] : full;
  const { local, remote, tags } = await readRefs(git, place, signal, only);
  for (const [map, folder, name] of [
    [remote, remoteFolder, base],
    [tags, "refs/tags/", base],
    [local, "refs/heads/", base],
    [remote, remoteFolder, after("origin/", base)],
    [remote, remoteFolder, after(remoteFolder, base)],
    [tags, "refs/tags/", after("refs/tags/", base)],
    [local, "refs/heads/", after("refs/heads/", base)],
  ] as const) {
    const id = name === undefined ? undefined : map.get(name);
    if (name === undefined || id === undefined) continue;
    const commit = map === tags ? await peel(git, place, id, signal) : id;
    if (commit === undefined) throw notFound(base, "is a tag of something that is no commit");
    return { ref: `${folder}${name}`, commit };
  }
  if (/^[0-9a-f]{7,64}$/i.test(base)) {
    const commit = await peel(git, place, base, signal);
    if (commit !== undefined) return { ref: commit, commit };
    throw notFound(base, "is neither a branch or tag nor the id of exactly one commit here");
  }
  throw notFound(base, "is neither a branch nor a tag of the remote, nor a local branch");
}

/** The commit that it names, or that the tag of that id leads to; undefined: it is none, or not here. */
export async function peel(
  git: GitRunner,
  place: GitPlace,
  id: string,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  try {
    const output = await git({
      arguments: ["rev-parse", "--verify", "--end-of-options", `${id}^{commit}`],
      place,
      signal,
    });
    return output.trim();
  } catch (error) {
    if (error instanceof GitFailure) return undefined;
    throw error;
  }
}

function notFound(base: string, fault: string): FactoryError {
  return new FactoryError(
    "BASE_NOT_FOUND",
    `base ${JSON.stringify(base)} ${fault}: check its spelling, or push it to the remote first`,
  );
}

function store(ref: string, id: string, maps: Record<string, Map<string, string>>): void {
  for (const [folder, map] of Object.entries(maps)) {
    const name = after(folder, ref);
    if (name !== undefined) map.set(name, id);
  }
}

function after(prefix: string, text: string): string | undefined {
  return text.startsWith(prefix) ? text.slice(prefix.length) : undefined;
}
