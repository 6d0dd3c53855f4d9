// Workers that dispatched workers, each with its own token, held where they are until they are let go.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { FactoryServer } from "./factory.ts";
import { createGate, dispatch, readWorker, untilPrinted } from "./workers.ts";

export interface Member {
  readonly name: string;
  readonly id: string;
  readonly token: string;
  readonly branch: string;
  /** Lets it end with exit code 0. */
  release(): Promise<void>;
  /** Removes what held it. */
  dispose(): Promise<void>;
}

/** A worker that runs and waits. Its token is read where it left it: in its worktree. */
export async function startMember(
  server: FactoryServer,
  input: {
    readonly parentSession: string;
    readonly repository: { readonly owner: string; readonly name: string };
    readonly branch: string;
    /** Default: shell. Another one must run what follows the first line of its task. */
    readonly agent?: string;
    /** The first line of the task. */
    readonly title?: string;
    /** What else the dispatch says. */
    readonly more?: Readonly<Record<string, unknown>>;
  },
  token?: string,
): Promise<Member> {
  const gate = await createGate();
  const { title, more = {}, ...rest } = input;
  const hold = `printf %s "$FACTORY_TOKEN" >.token; echo holding; ${gate.wait}`;
  const task = title === undefined ? hold : `${title}\n${hold}`;
  const { name, id, branch } = await dispatch(server, { ...rest, ...more, task }, token);
  await untilPrinted(server, name, "holding");
  const { worktree } = await readWorker(server, name);
  if (worktree === null) throw new Error(`${name} has no worktree`);
  return {
    name,
    id,
    branch,
    token: await readFile(join(worktree.path, ".token"), "utf8"),
    release: () => gate.open(),
    dispose: () => gate.dispose(),
  };
}
