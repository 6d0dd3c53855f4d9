// From the mutation, sent, to the agent's first instruction, where the clone is there already.
import { startFactory, type FactoryServer } from "../test/support/factory.ts";
import { alternate } from "./alternate.ts";
import type { Finding } from "./finding.ts";
import { advance, createLargeRepository, type RepositorySize } from "./large-repository.ts";
import { firstInstruction, makePlainClone, readFirstInstruction } from "./plain-git.ts";
import { cloneInto, createParent, type Parent } from "./workers.ts";
import type { World } from "./world.ts";

interface Case {
  readonly name: string;
  readonly size: RepositorySize;
  /** Times the floor. */
  readonly most: number;
  readonly turns: number;
  /** Also with a commit on the remote that the clone lacks. */
  readonly movingTurns: number;
}

const owner = "bench";

/** About 84 MB, and about 100 MB. */
function listCases(quick: boolean): Case[] {
  return [
    {
      name: "2,000 files",
      size: { files: 2_000, bytesPerFile: 42_000 },
      most: 1.2,
      turns: quick ? 4 : 12,
      movingTurns: quick ? 0 : 6,
    },
    {
      name: "50,000 files",
      size: { files: 50_000, bytesPerFile: 2_000 },
      most: 1.1,
      turns: quick ? 1 : 4,
      movingTurns: 0,
    },
  ];
}

export async function benchDispatch(world: World): Promise<Finding[]> {
  const server = await startFactory();
  try {
    const findings: Finding[] = [];
    for (const each of listCases(world.quick)) {
      findings.push(...(await measureCase(world, server, each)));
    }
    return findings;
  } finally {
    await server.dispose();
  }
}

async function measureCase(
  { git }: World,
  server: FactoryServer,
  { name, size, most, turns, movingTurns }: Case,
): Promise<Finding[]> {
  const repository = { owner, name: `files-${String(size.files)}` };
  const url = git.url(owner, repository.name);
  await createLargeRepository(git, owner, repository.name, size);
  await cloneInto(server, { ...repository, url });
  const parent = createParent(server, repository.name);
  const plain = await makePlainClone(url);
  let branches = 0;
  const nextBranch = () => `branch-${String((branches += 1))}`;
  const ours = () => dispatch(server, parent, repository, nextBranch());
  const floor = () => plain.dispatch(nextBranch());
  try {
    const findings: Finding[] = [
      {
        what: `dispatch, ${name}`,
        unit: "ms",
        ...(await alternate(turns, ours, floor)),
        target: { kind: "times", most },
      },
    ];
    if (movingTurns > 0) {
      // Before each turn of both, so that both fetch one commit each time.
      const moving = (measure: () => Promise<number>) => async () => {
        await advance(git, owner, repository.name);
        return measure();
      };
      findings.push({
        what: `dispatch, ${name}, remote moved`,
        unit: "ms",
        ...(await alternate(movingTurns, moving(ours), moving(floor))),
      });
    }
    return findings;
  } finally {
    await plain.remove();
  }
}

async function dispatch(
  server: FactoryServer,
  parent: Parent,
  repository: { readonly owner: string; readonly name: string },
  branch: string,
): Promise<number> {
  const started = Date.now();
  const worker = await parent.dispatch({ repository, branch, task: firstInstruction });
  await parent.untilEnded(worker.name);
  const milliseconds = (await readFirstInstruction(await parent.worktreeOf(worker.name))) - started;
  await server.query(
    "mutation ($input: DeleteWorktreeInput!) { deleteWorktree(input: $input) { branch } }",
    { input: { ...repository, branch, force: true, deleteBranch: true } },
  );
  return milliseconds;
}
