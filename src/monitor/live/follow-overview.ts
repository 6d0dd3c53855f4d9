// Keeps the overview as the server has it: read whole at each connection, then what is told to have changed.
import { connection } from "../client/connection.ts";
import { delay } from "../client/delay.ts";
import { AskError, follow } from "../client/stream.ts";
import { overviewChanged } from "./operations.ts";
import { change, endedPage, overview } from "./overview.ts";
import { readAll, readChanged, readCounts, readQueue } from "./read-overview.ts";

/** The server tells of changes four times a second at most. */
const roundMs = 200;
/** More changes than these are read as lists. */
const mostSingle = 25;
/** Usage is told by no message of the overview's; and a notice may get lost between the server and its database. */
const reconcileMs = 20_000;
/** Counting costs more than reading. */
const countMs = 1_500;
const retryMs = 2_000;

export interface OverviewFollower {
  stop(): void;
  /** A further page of ended workers. */
  loadOlder(): void;
}

export function followOverview(): OverviewFollower {
  const leaving = new AbortController();
  /** Of the questions under way: a new connection makes them void. */
  let round = new AbortController();
  const changed = {
    workerSessions: new Set<string>(),
    parentSessions: new Set<string>(),
    repositories: new Set<string>(),
    worktrees: new Set<string>(),
  };
  let due: "everything" | "states" | undefined;
  let countsDue = false;
  let countedAt = 0;
  let wake: () => void = () => undefined;

  function plan(what: "everything" | "states"): void {
    if (due !== "everything") due = what;
    wake();
  }

  function isDue(): boolean {
    return due !== undefined || Object.values(changed).some(({ size }) => size > 0);
  }

  function planCounts(): void {
    countsDue = true;
    wake();
  }

  async function readDue(signal: AbortSignal): Promise<void> {
    const what = due;
    const ids = {
      workerSessions: [...changed.workerSessions],
      parentSessions: [...changed.parentSessions],
      repositories: [...changed.repositories],
      worktrees: [...changed.worktrees],
    };
    due = undefined;
    for (const kind of Object.values(changed)) kind.clear();
    const isMuch = Object.values(ids).some(({ length }) => length > mostSingle);
    if (what !== undefined || isMuch) await readAll(what === "everything", signal);
    else await readChanged(ids, signal);
    await readQueue(signal);
  }

  async function countIfDue(signal: AbortSignal): Promise<void> {
    const waitMs = countedAt + countMs - Date.now();
    if (waitMs > 0) {
      window.setTimeout(planCounts, waitMs);
      return;
    }
    countsDue = false;
    countedAt = Date.now();
    await readCounts(signal);
  }

  async function read(): Promise<void> {
    round = new AbortController();
    const { signal } = round;
    try {
      await Promise.all([isDue() ? readDue(signal) : undefined, countIfDue(signal)]);
      if (overview.read().failure !== undefined) change({ failure: undefined });
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof AskError)) throw error;
      change({ failure: error.failure });
      window.setTimeout(() => plan("everything"), retryMs);
    }
  }

  async function run(): Promise<void> {
    while (!leaving.signal.aborted) {
      if (isDue() || countsDue) {
        await read();
        await delay(roundMs, leaving.signal);
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  }

  const endStream = follow(overviewChanged, () => ({}), {
    onData({ overviewChanged: ids }) {
      for (const id of ids.workerSessions) changed.workerSessions.add(id);
      for (const id of ids.parentSessions) changed.parentSessions.add(id);
      for (const id of ids.repositories) changed.repositories.add(id);
      for (const id of ids.worktrees) changed.worktrees.add(id);
      wake();
    },
  });
  function begin(): void {
    if (connection.state.read().kind !== "connected") return;
    // Nobody tells what was missed: all is read, after the subscription above, which the server sees first.
    round.abort(new Error("the connection is another one"));
    plan("everything");
  }
  const unwatch = connection.state.watch(begin);
  begin();
  const timer = window.setInterval(() => plan("states"), reconcileMs);
  void run();

  return {
    stop() {
      leaving.abort();
      round.abort();
      endStream();
      unwatch();
      window.clearInterval(timer);
      wake();
    },
    loadOlder() {
      change({ endedLimit: overview.read().endedLimit + endedPage });
      plan("everything");
    },
  };
}
