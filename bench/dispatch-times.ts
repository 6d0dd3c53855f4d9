import { firstInstruction, readFirstInstruction } from "./plain-git.ts";
import type { Parent, RepositoryInput } from "./workers.ts";

interface Input {
  readonly repository: RepositoryInput;
  readonly branch?: string;
}

/** Milliseconds from the mutation, sent, to its answer. Resolves when the session has ended. */
export async function timeToAnswer(parent: Parent, input: Input): Promise<number> {
  const started = performance.now();
  const { name } = await parent.dispatch({ ...input, task: "true" });
  const milliseconds = performance.now() - started;
  await parent.untilEnded(name);
  return milliseconds;
}

/** Milliseconds from the mutation, sent, to the agent's first instruction. Resolves likewise. */
export async function timeToFirstInstruction(parent: Parent, input: Input): Promise<number> {
  const started = Date.now();
  const { name } = await parent.dispatch({ ...input, task: firstInstruction });
  await parent.untilEnded(name);
  return (await readFirstInstruction(await parent.worktreeOf(name))) - started;
}
