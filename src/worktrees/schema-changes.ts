import { assertSeesRepository, visibleWorktrees } from "../access/viewer.ts";
import { filterEvents } from "../events/filter.ts";
import type { StoredEvent } from "../events/read.ts";
import { builder } from "../graphql/builder.ts";
import { worktreeStreamKey } from "../repositories/events.ts";
import type { WorktreeEvent } from "./record.ts";
import { WorktreeRef, WorktreeStatusRef } from "./schema.ts";

interface WorktreeChange extends WorktreeEvent {
  readonly sequence: number;
  readonly at: Date;
}

const WorktreeChangeRef = builder.objectRef<WorktreeChange>("WorktreeChange");
WorktreeChangeRef.implement({
  description: "A change of a worktree's status.",
  fields: (t) => ({
    sequence: t.exposeInt("sequence", { description: "Per repository, from 1, without holes." }),
    at: t.expose("at", { type: "DateTime", description: "When it happened." }),
    branch: t.exposeString("branch", { description: "Whose worktree it is." }),
    status: t.expose("status", {
      type: WorktreeStatusRef,
      description: "The status at that moment; worktree.status is today's.",
    }),
    worktree: t.prismaField({
      type: WorktreeRef,
      nullable: true,
      description: "The worktree as it is now; null once it is gone.",
      resolve: (query, { worktreeId }, _args, { prisma, viewer }) =>
        prisma.worktree.findFirst({
          ...query,
          where: { id: worktreeId, ...visibleWorktrees(viewer) },
        }),
    }),
  }),
});

builder.subscriptionField("worktreeChanged", (t) =>
  t.field({
    type: WorktreeChangeRef,
    description:
      "Worktrees of one repository as they are created, change status and go. A worker's token gets those of its own and its descendants' branches. Errors: REPOSITORY_NOT_FOUND, FORBIDDEN.",
    args: {
      owner: t.arg.string({
        required: true,
        description: "The repository's owner, whatever its case.",
      }),
      name: t.arg.string({
        required: true,
        description: "The repository's name, whatever its case.",
      }),
      after: t.arg.int({ description: "Replay what comes after this sequence, then go on live." }),
    },
    async subscribe(_root, { after, ...input }, { viewer, repositories, worktrees, events }) {
      assertSeesRepository(viewer, await repositories.get(input));
      const key = worktreeStreamKey(input.owner, input.name);
      const changes = await events.follow(key, { after: after ?? undefined });
      return filterEvents(changes, ({ payload }) =>
        worktrees.sees(viewer, (payload as WorktreeEvent).branch),
      );
    },
    resolve: ({ sequence, at, payload }: StoredEvent): WorktreeChange => ({
      // Written by record.ts alone, as a WorktreeEvent.
      ...(payload as WorktreeEvent),
      sequence,
      at,
    }),
  }),
);
