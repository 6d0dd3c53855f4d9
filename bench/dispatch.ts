// From the mutation, sent, to the agent's first instruction, where the clone is there already.
//
// Every worktree stays until the end: an ext4 without a journal, which virtual machines often have, gives
// no inode of a deleted file out again for some minutes (ext4's ialloc.c, recently_deleted), so that a
// deletion makes the next checkouts several times as slow.
import type { FactoryServer } from "../test/support/factory.ts";
import { join } from "node:path";
import { alternate, type Turns } from "./alternate.ts";
import { timeToFirstInstruction } from "./dispatch-times.ts";
import type { Finding } from "./finding.ts";
import { advance, createLargeRepository, type RepositorySize } from "./large-repository.ts";
import { makePlainClone } from "./plain-git.ts";
import { cloneInto, createParent } from "./workers.ts";
import type { World } from "./world.ts";

interface Case {
  readonly name: string;
  readonly size: RepositorySize;
  /** Times the floor. */
  readonly most: number;
  readonly still: Turns;
  /** Also with a commit on the remote, each time, that the clone lacks. */
  readonly moving?: Turns;
}

const owner = "bench";

/** About 84 MB, and about 100 MB. */
const small: RepositorySize = { files: 2_000, bytesPerFile: 42_000 };
const large: RepositorySize = { files: 50_000, bytesPerFile: 2_000 };

function listCases(quick: boolean): Case[] {
  const name = "2,000 files";
  const most = 1.2;
  if (quick) return [{ name, size: small, most, still: { turns: 6, withinMs: 15_000 } }];
  return [
    {
      name,
      size: small,
      most,
      still: { turns: 12, withinMs: 35_000 },
      moving: { turns: 6, withinMs: 20_000 },
    },
    { name: "50,000 files", size: large, most: 1.1, still: { turns: 4, withinMs: 45_000 } },
  ];
}

export async function benchDispatch(world: World): Promise<Finding[]> {
  const server = await world.startServer();
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
  { git, folder }: World,
  server: FactoryServer,
  { name, size, most, still, moving }: Case,
): Promise<Finding[]> {
  const repository = { owner, name: `files-${String(size.files)}` };
  const url = git.url(owner, repository.name);
  await createLargeRepository(git, owner, repository.name, size);
  await cloneInto(server, { ...repository, url });
  const parent = createParent(server, repository.name);
  const plain = await makePlainClone(url, join(folder, repository.name));
  let branches = 0;
  const nextBranch = () => `branch-${String((branches += 1))}`;
  const ours = () => timeToFirstInstruction(parent, { repository, branch: nextBranch() });
  const floor = () => plain.dispatch(nextBranch());
  const findings: Finding[] = [
    {
      what: `dispatch, ${name}`,
      unit: "ms",
      ...(await alternate(still, ours, floor)),
      target: { kind: "times", most },
    },
  ];
  if (moving === undefined) return findings;
  // Before each turn of both, so that both fetch one commit each time.
  const moved = (measure: () => Promise<number>) => async () => {
    await advance(git, owner, repository.name);
    return measure();
  };
  findings.push({
    what: `dispatch, ${name}, remote moved`,
    unit: "ms",
    ...(await alternate(moving, moved(ours), moved(floor))),
  });
  return findings;
}
