// A name that the server doesn't know, answered with those that are near it.
import { ask, Refusal } from "./ask.ts";
import { CommandError, type Server } from "./connection.ts";
import { document } from "./document.ts";
import { oneLine } from "./harmless.ts";

interface Names {
  readonly workerSessions: { readonly nodes: readonly { readonly name: string }[] };
  readonly repositories: { readonly nodes: readonly { readonly nameWithOwner: string }[] };
  readonly worktrees: { readonly nodes: readonly WorktreeName[] };
  readonly parentSessions: { readonly nodes: readonly { readonly name: string }[] };
  readonly agents: readonly { readonly name: string }[];
}

interface WorktreeName {
  readonly branch: string;
  readonly repository: { readonly nameWithOwner: string };
}

const namesDocument = document<Names>(`{
  workerSessions(last: 100) { nodes { name } }
  repositories(last: 100) { nodes { nameWithOwner } }
  worktrees(last: 100) { nodes { branch repository { nameWithOwner } } }
  parentSessions(last: 100) { nodes { name } }
  agents { name }
}`);

export interface KnownNames {
  readonly workers: readonly string[];
  readonly repositories: readonly string[];
  readonly worktrees: readonly WorktreeName[];
  readonly parents: readonly string[];
  readonly agents: readonly string[];
}

/** The latest of each. */
export async function listNames(server: Server, timeoutMs?: number): Promise<KnownNames> {
  const names = await ask(server, namesDocument, {}, timeoutMs);
  return {
    workers: names.workerSessions.nodes.map(({ name }) => name),
    repositories: names.repositories.nodes.map(({ nameWithOwner }) => nameWithOwner),
    worktrees: names.worktrees.nodes,
    parents: names.parentSessions.nodes.map(({ name }) => name),
    agents: names.agents.map(({ name }) => name),
  };
}

/** What a command was given. */
export interface GivenNames {
  readonly worker?: string;
  /** owner/name */
  readonly repository?: string;
  readonly branch?: string;
}

/** Does it; where the server knows a name of it not, its refusal says which are near. */
export async function naming<Result>(
  server: Server,
  given: GivenNames,
  act: () => Promise<Result>,
): Promise<Result> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const near = await findNear(server, error.code, given);
    if (near.length === 0) throw error;
    const words = [near.slice(0, -1).join(", "), near.at(-1)].filter((some) => some !== "");
    throw new Refusal(error.code, `${error.message}\nDid you mean ${words.join(" or ")}?`, {
      cause: error,
    });
  }
}

const mostNames = 10;

/** Of a parent that has not dispatched yet, and whose name may be mistyped: which names there are. Begins with a space. */
export async function adviseParent(server: Server, parent: string): Promise<string> {
  const { parents } = await listNames(server);
  const near = await nearest(parent, parents);
  if (near.length > 0) return ` Did you mean ${near.map(oneLine).join(" or ")}?`;
  if (parents.length === 0) return "";
  return ` The latest that did: ${parents.slice(-mostNames).toReversed().map(oneLine).join(", ")}.`;
}

const parentDocument = document<
  { readonly parentSession: object | null },
  { readonly parent: string }
>("query ($parent: String!) { parentSession(name: $parent) { name } }");

export async function isParent(server: Server, parent: string): Promise<boolean> {
  return (await ask(server, parentDocument, { parent })).parentSession !== null;
}

async function findNear(server: Server, code: string, given: GivenNames): Promise<string[]> {
  const { worker, repository, branch } = given;
  const word = {
    WORKER_NOT_FOUND: worker,
    REPOSITORY_NOT_FOUND: repository,
    WORKTREE_NOT_FOUND: branch,
  }[code];
  if (word === undefined) return [];
  let names: KnownNames;
  try {
    names = await listNames(server);
  } catch (error) {
    // The refusal itself says what is wrong; this would have been a help only.
    if (error instanceof CommandError) return [];
    throw error;
  }
  const known = {
    WORKER_NOT_FOUND: names.workers,
    REPOSITORY_NOT_FOUND: names.repositories,
    WORKTREE_NOT_FOUND: names.worktrees
      .filter(({ repository: { nameWithOwner } }) => isSame(nameWithOwner, repository ?? ""))
      .map((worktree) => worktree.branch),
  }[code];
  return nearest(word, known ?? []);
}

function isSame(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

const mostSuggestions = 3;

/** Those that are nearest; none that is more different than alike. */
async function nearest(word: string, known: readonly string[]): Promise<string[]> {
  const { distance } = await import("fastest-levenshtein");
  return known
    .map((name) => ({ name, away: distance(name.toLowerCase(), word.toLowerCase()) }))
    .filter(({ name, away }) => away <= Math.max(2, Math.ceil(name.length / 3)))
    .toSorted((a, b) => a.away - b.away)
    .filter(({ away }, _, [first]) => away === first?.away)
    .slice(0, mostSuggestions)
    .map(({ name }) => name);
}
