import type { Viewer } from "../../access/viewer.ts";
import { FactoryError } from "../../errors.ts";
import { builder } from "../../graphql/builder.ts";
import { assertHearsParent, statusChangeOf, WorkerStatusChangeRef } from "./events.ts";
import type { WorkerService } from "../service.ts";

builder.queryField("waitForWorkers", (t) =>
  t.field({
    type: [WorkerStatusChangeRef],
    description:
      "Long poll for parents that can't hold a stream: the changes after that sequence, 200 at most, as soon as there is one; an empty list after timeoutSeconds, or when the server stops. Ask again from the last sequence. A parent that doesn't exist yet is waited for. A client, or a proxy on the way, may have a time limit of its own for an answer: ask for less than that. Errors: BAD_INPUT, CURSOR_AHEAD, EVENTS_EXPIRED, FORBIDDEN, LIMIT_EXCEEDED.",
    args: {
      parentSession: t.arg.string({ required: true, description: "The parent's name." }),
      after: t.arg.int({
        required: true,
        description: "The last sequence that is known already; 0: from the oldest stored change.",
      }),
      timeoutSeconds: t.arg.int({ description: "30 by default, 1 to 300." }),
    },
    async resolve(_root, { parentSession, after, timeoutSeconds }, context) {
      const { viewer, workers, parents, signal } = context;
      await assertHearsParent(context, parentSession);
      const input = { parentSession, after, timeoutSeconds: timeoutSeconds ?? undefined };
      const events = await parents.waitForChanges(input, signal);
      await assertSessionGoesOn(viewer, workers);
      return events.map(statusChangeOf);
    },
  }),
);

/** A worker's token ends with its session, also while it waits. */
async function assertSessionGoesOn(viewer: Viewer, workers: WorkerService): Promise<void> {
  if (viewer.kind === "operator") return;
  const session = await workers.find(viewer.name);
  if (session?.finishedAt === null) return;
  throw new FactoryError("UNAUTHENTICATED", "the session has ended, and its token with it");
}
