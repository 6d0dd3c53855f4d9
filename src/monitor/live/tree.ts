// Workers below the sessions that asked for them: a worker may itself be one of those.
import type { Parent, Worker } from "./operations.ts";
import { isLive } from "./states.ts";

export interface WorkerNode {
  readonly worker: Worker;
  readonly children: readonly WorkerNode[];
  /** It, or one below it, has not ended. */
  readonly isLive: boolean;
}

export interface ParentNode {
  readonly name: string;
  /** undefined: it has not been read yet. */
  readonly parent: Parent | undefined;
  readonly workers: readonly WorkerNode[];
  readonly isLive: boolean;
  /** All below it. */
  readonly size: number;
}

/**
 * Parents with workers that have not ended come first, then those that dispatched last. Below a parent come those at
 * work and those that wait to be, in the order in which they were dispatched, then the ended ones, the latest first.
 * A worker whose own parent isn't among the workers stands below that parent's name.
 */
export function buildTree(
  workers: Iterable<Worker>,
  parents: ReadonlyMap<string, Parent>,
): ParentNode[] {
  const byParent = Map.groupBy(workers, ({ parentSession }) => parentSession.name);
  const names = new Set([...byParent.values()].flat().map(({ name }) => name));
  const parentsByName = new Map([...parents.values()].map((parent) => [parent.name, parent]));

  function nodesOf(parentName: string): WorkerNode[] {
    const nodes = (byParent.get(parentName) ?? []).map((worker) => {
      const children = nodesOf(worker.name);
      return { worker, children, isLive: isLive(worker.status) || children.some(isNodeLive) };
    });
    return nodes.sort(compareNodes);
  }

  return [...byParent.keys()]
    .filter((name) => !names.has(name))
    .map((name) => {
      const nodes = nodesOf(name);
      return {
        name,
        parent: parentsByName.get(name),
        workers: nodes,
        isLive: nodes.some(isNodeLive),
        size: sizeOf(nodes),
      };
    })
    .sort(compareParents);
}

/** The first rows of the tree, from the top down, as many as `most`. */
export function cutTree(tree: readonly ParentNode[], most: number): ParentNode[] {
  let left = most;
  function cut(nodes: readonly WorkerNode[]): WorkerNode[] {
    const kept: WorkerNode[] = [];
    for (const node of nodes) {
      if (left === 0) break;
      left -= 1;
      kept.push(node.children.length === 0 ? node : { ...node, children: cut(node.children) });
    }
    return kept;
  }
  return tree.map((parent) =>
    parent.size <= left
      ? ((left -= parent.size), parent)
      : { ...parent, workers: cut(parent.workers) },
  );
}

function isNodeLive(node: { readonly isLive: boolean }): boolean {
  return node.isLive;
}

function sizeOf(nodes: readonly WorkerNode[]): number {
  return nodes.reduce((sum, { children }) => sum + 1 + sizeOf(children), 0);
}

function compareNodes(one: WorkerNode, other: WorkerNode): number {
  const rank = rankOf(one) - rankOf(other);
  if (rank !== 0) return rank;
  if (one.isLive) return compareText(one.worker.createdAt, other.worker.createdAt);
  return compareText(other.worker.finishedAt ?? "", one.worker.finishedAt ?? "");
}

function rankOf(node: WorkerNode): number {
  if (!node.isLive) return 2;
  return node.worker.status === "QUEUED" ? 1 : 0;
}

function compareParents(one: ParentNode, other: ParentNode): number {
  if (one.isLive !== other.isLive) return one.isLive ? -1 : 1;
  return compareText(youngest(other), youngest(one));
}

/** When the parent last dispatched. */
function youngest({ workers }: ParentNode): string {
  return workers.reduce(
    (latest, { worker }) => (worker.createdAt > latest ? worker.createdAt : latest),
    "",
  );
}

/** Moments in ISO 8601 sort as texts do. */
function compareText(one: string, other: string): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}
