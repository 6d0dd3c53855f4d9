// What clients do, at random.
import { randomUUID } from "node:crypto";
import type { Random } from "./random.ts";
import { parentSession, repositories, type World } from "./world.ts";

/** Tasks of some seconds at most, so that all have ended soon after the last one. */
const tasks = [
  () => "true",
  () => "exit 3",
  (random: Random) =>
    `seq 1 ${String(random.whole(10, 5_000))}; sleep ${seconds(random)}; echo end`,
  (random: Random) => `trap '' TERM; echo here; sleep ${seconds(random)}; echo end`,
  () => `setsid bash -c 'trap "" TERM; sleep 300' & echo left; sleep 0.2`,
  (random: Random) => `
    for n in 1 2 3; do
      sleep ${seconds(random)}
      echo "$n $RANDOM" >>work.txt
      git add --all && git commit -q -m "Work $n" && echo "committed $(git rev-parse HEAD)"
    done`,
  (random: Random) => `echo unsaved >>unsaved.txt; sleep ${seconds(random)}`,
];

const seconds = (random: Random) => (random.next() * 2).toFixed(2);

async function dispatch(world: World, random: Random): Promise<void> {
  const repository = random.pick(repositories);
  const task = random.pick(tasks)?.(random);
  const branch = random.chance(0.3) ? `shared/${String(random.whole(1, 3))}` : undefined;
  const input = {
    parentSession,
    repository,
    task,
    agent: "shell",
    idempotencyKey: randomUUID(),
    priority: random.whole(0, 2),
    cleanup: random.pick(["KEEP", "ON_SUCCESS", "ALWAYS"]),
    ...(branch === undefined ? {} : { branch }),
    ...(random.chance(0.1) ? { timeoutSeconds: 1 } : {}),
  };
  // The same key makes the same session, however often an answer is lost.
  for (;;) {
    const reply = await world.ask<{ dispatchWorker: { worker: { id: string; name: string } } }>(
      `mutation ($input: DispatchWorkerInput!) {
        dispatchWorker(input: $input) { worker { id name } }
      }`,
      { input },
    );
    if (reply === undefined) continue;
    if (reply.data === undefined || repository === undefined) {
      world.violations.push(`a dispatch was refused: ${reply.codes.join()}`);
      return;
    }
    const { id, name } = reply.data.dispatchWorker.worker;
    const [, row = ""] = Buffer.from(id, "base64").toString("utf8").split(":");
    world.sessions.push({ id, name, nonce: `${row}-1`, repository });
    return;
  }
}

async function cancel(world: World, random: Random): Promise<void> {
  const session = random.pick(world.sessions.slice(-10));
  if (session === undefined) return;
  await world.ask(
    `mutation ($input: CancelWorkerInput!) { cancelWorker(input: $input) { worker { id } } }`,
    { input: { id: session.id, reason: "at random" } },
  );
}

async function sync(world: World, random: Random): Promise<void> {
  const repository = random.pick(repositories);
  await world.ask(
    `mutation ($input: RepositoryInput!) { syncRepository(input: $input) { updated } }`,
    { input: repository },
  );
}

/** Two pushes to one branch at the same time: git refuses the second, which is nothing of the server's. */
let pushing: Promise<unknown> = Promise.resolve();

async function push(world: World, random: Random): Promise<void> {
  const { owner, name } = random.pick(repositories) ?? { owner: "", name: "" };
  const pushed = pushing.then(() =>
    world.git.pushCommit(owner, name, "main", { "remote.txt": randomUUID() }),
  );
  // Its failure is this client's, not that of the next to push.
  pushing = pushed.catch(() => undefined);
  await pushed;
}

/** Never by force: what holds work is refused. */
async function removeWorktree(world: World, random: Random): Promise<void> {
  const repository = random.pick(repositories);
  const reply = await world.ask<{
    repository: { worktrees: { nodes: { branch: string }[] } } | null;
  }>(
    `query ($owner: String!, $name: String!) { repository(owner: $owner, name: $name) {
      worktrees(first: 50) { nodes { branch } }
    } }`,
    { ...repository },
  );
  const found = random.pick(reply?.data?.repository?.worktrees.nodes ?? []);
  if (found === undefined) return;
  await world.ask(
    `mutation ($input: DeleteWorktreeInput!) { deleteWorktree(input: $input) { branch } }`,
    { input: { ...repository, branch: found.branch, deleteBranch: random.chance(0.5) } },
  );
}

/** By how often each is done. */
const actions = [
  ...Array<typeof dispatch>(6).fill(dispatch),
  ...[cancel, cancel, sync, push, removeWorktree, removeWorktree],
];

/** One after the other until the signal; several such clients make them meet. */
export async function actAtRandom(
  world: World,
  random: Random,
  signal: AbortSignal,
  pause: () => Promise<unknown>,
): Promise<void> {
  while (!signal.aborted) {
    await random.pick(actions)?.(world, random);
    await pause();
  }
}
