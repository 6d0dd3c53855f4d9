// For overviews that refetch: which things changed since the last message.
import { setTimeout as delay } from "node:timers/promises";
import {
  visibleParents,
  visibleRepositories,
  visibleWorkers,
  visibleWorktrees,
  type Viewer,
} from "../access/viewer.ts";
import { insist } from "../database/insist.ts";
import { abortable } from "../events/abortable.ts";
import { patienceMs } from "../events/follow.ts";
import type { Notices } from "../events/notices.ts";
import type { PrismaClient } from "../database/client.ts";
import { builder, encodeGlobalId } from "./builder.ts";

/** At most four messages a second. */
const intervalMs = 250;

type Kind = "Repository" | "Worktree" | "WorkerSession" | "ParentSession";

interface OverviewChange {
  readonly at: Date;
  /** Row ids by kind. */
  readonly changed: Readonly<Record<Kind, readonly string[]>>;
}

const OverviewChangeRef = builder.objectRef<OverviewChange>("OverviewChange").implement({
  description: "The global ids of what was created, changed or deleted since the last message.",
  fields: (t) => {
    const ids = (kind: Kind, description: string) =>
      t.idList({
        description,
        resolve: ({ changed }) => changed[kind].map((id) => encodeGlobalId(kind, id)),
      });
    return {
      at: t.expose("at", { type: "DateTime", description: "When this message was made." }),
      repositories: ids("Repository", "Repositories."),
      worktrees: ids("Worktree", "Worktrees."),
      workerSessions: ids("WorkerSession", "Worker sessions."),
      parentSessions: ids("ParentSession", "Parent sessions."),
    };
  },
});

builder.subscriptionField("overviewChanged", (t) =>
  t.field({
    type: OverviewChangeRef,
    description:
      "For overviews that refetch: what changed since the last message, at most four times a second. No replay: after a lost connection, read everything anew.",
    subscribe: (_root, _args, { notices, prisma, viewer }) =>
      watchOverview(notices, prisma, viewer),
    resolve: (change: OverviewChange) => change,
  }),
);

function watchOverview(
  notices: Notices,
  prisma: PrismaClient,
  viewer: Viewer,
): AsyncGenerator<OverviewChange> {
  const pending = new Set<string>();
  let wake: () => void = () => undefined;
  const unwatch = notices.watch("*", (notice) => {
    for (const subject of notice?.subjects ?? []) pending.add(subject);
    if (pending.size > 0) wake();
  });

  async function* changes(signal: AbortSignal): AsyncGenerator<OverviewChange> {
    while (!signal.aborted) {
      if (pending.size === 0) {
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        await promise;
        continue;
      }
      const subjects = [...pending];
      pending.clear();
      const read = () => restrict(prisma, viewer, sort(subjects));
      const changed = await insist(read, { signal, patienceMs });
      if (Object.values(changed).some((ids) => ids.length > 0)) yield { at: new Date(), changed };
      await delay(intervalMs, undefined, { signal }).catch(() => undefined);
    }
  }

  return abortable(changes, () => {
    unwatch();
    wake();
  });
}

function sort(subjects: readonly string[]): Record<Kind, string[]> {
  const changed: Record<Kind, string[]> = {
    Repository: [],
    Worktree: [],
    WorkerSession: [],
    ParentSession: [],
  };
  for (const subject of subjects) {
    const [kind, id] = subject.split(":");
    if (kind !== undefined && id !== undefined && kind in changed) changed[kind as Kind].push(id);
  }
  return changed;
}

/** What the viewer may hear of. */
async function restrict(
  prisma: PrismaClient,
  viewer: Viewer,
  changed: Record<Kind, string[]>,
): Promise<Record<Kind, readonly string[]>> {
  if (viewer.kind === "operator") return changed;
  const select = { id: true } as const;
  const within = (kind: Kind) => ({ id: { in: changed[kind] } });
  const [repositories, worktrees, sessions, parents] = await Promise.all([
    prisma.repository.findMany({
      where: { AND: [within("Repository"), visibleRepositories(viewer)] },
      select,
    }),
    prisma.worktree.findMany({
      where: { AND: [within("Worktree"), visibleWorktrees(viewer)] },
      select,
    }),
    prisma.workerSession.findMany({
      where: { AND: [within("WorkerSession"), visibleWorkers(viewer)] },
      select,
    }),
    prisma.parentSession.findMany({
      where: { AND: [within("ParentSession"), visibleParents(viewer)] },
      select,
    }),
  ]);
  const ids = (rows: readonly { id: string }[]) => rows.map(({ id }) => id);
  return {
    Repository: ids(repositories),
    Worktree: ids(worktrees),
    WorkerSession: ids(sessions),
    ParentSession: ids(parents),
  };
}
