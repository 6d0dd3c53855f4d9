// What is said to a worker after its task, and what it asks.
import { assertCommands } from "../../access/viewer.ts";
import { builder } from "../../graphql/builder.ts";
import type { WorkerMessage } from "../../generated/prisma/client.ts";
import type { Dispatched } from "../dispatch.ts";
import { workerPayload } from "./mutations.ts";
import { PermissionRequestRef } from "./permissions.ts";
import { WorkerSessionRef } from "./worker-session.ts";

const workerId = "Its global id, or its name (worker-17).";

const QueuedMessageRef = builder.objectRef<WorkerMessage>("QueuedMessage").implement({
  description: "A message that waits for the end of the agent's turn.",
  fields: (t) => ({
    text: t.exposeString("text", { description: "As it was sent." }),
    createdAt: t.expose("createdAt", { type: "DateTime", description: "When it was sent." }),
  }),
});

builder.prismaObjectFields(WorkerSessionRef, (t) => ({
  pendingPermissions: t.field({
    type: [PermissionRequestRef],
    description: "What it asks for and nobody has answered yet, oldest first.",
    resolve: async ({ id }, _args, { loaders }) => [...(await loaders.pendingPermissions.load(id))],
  }),
  queuedMessages: t.field({
    type: [QueuedMessageRef],
    description: "What was sent to it and waits for the end of its turn, oldest first.",
    resolve: async ({ id }, _args, { loaders }) => [...(await loaders.waitingMessages.load(id))],
  }),
}));

const SendMessageInput = builder.inputType("SendMessageInput", {
  description: "What to say to a worker.",
  fields: (t) => ({
    id: t.id({ required: true, description: workerId }),
    text: t.string({
      required: true,
      description: "The agent's next turn; 100,000 bytes at most.",
    }),
    idempotencyKey: t.string({
      description:
        "The same key with the same text is sent once. Per worker, and per parent for a new session.",
    }),
  }),
});

const AnswerPermissionInput = builder.inputType("AnswerPermissionInput", {
  description: "An answer to a permission request.",
  fields: (t) => ({
    id: t.id({ required: true, description: workerId }),
    requestId: t.id({ required: true, description: "Of its pendingPermissions." }),
    optionId: t.id({ required: true, description: "Of the request's options." }),
  }),
});

const SendMessagePayload = builder.objectRef<Dispatched>("SendMessagePayload").implement({
  description: "Whom the message reaches.",
  fields: (t) => ({
    worker: t.prismaField({
      type: WorkerSessionRef,
      description: "The session whose next turn it is, or the new one.",
      resolve: (query, { worker }, _args, { prisma }) =>
        prisma.workerSession.findUniqueOrThrow({ ...query, where: { id: worker.id } }),
    }),
    created: t.exposeBoolean("created", {
      description: "true: the session had ended, and a new one goes on with its conversation.",
    }),
  }),
});

const AnswerPermissionPayload = workerPayload(
  "AnswerPermissionPayload",
  "The session whose request was answered.",
);

builder.mutationFields((t) => ({
  sendMessage: t.field({
    type: SendMessagePayload,
    nullable: true,
    description:
      "To a session that runs: its next turn, queued while the agent is busy (created: false). To an ended one: a new session that resumes the conversation in the same worktree (created: true); where the agent can't resume it, it is told so, with the summary. Errors: BAD_INPUT, WORKER_NOT_FOUND, NOT_SUPPORTED (shell and other plain agents; one that runs without the Agent Client Protocol), IDEMPOTENCY_MISMATCH, LIMIT_EXCEEDED, FORBIDDEN, and those of dispatchWorker.",
    args: {
      input: t.arg({ type: SendMessageInput, required: true, description: "What to whom." }),
    },
    async resolve(_root, { input: { id, text, idempotencyKey } }, { viewer, workers }) {
      const session = await workers.get(id);
      assertCommands(viewer, session);
      return workers.send(session, { text, idempotencyKey: idempotencyKey ?? undefined }, viewer);
    },
  }),
  answerPermission: t.field({
    type: AnswerPermissionPayload,
    nullable: true,
    description:
      "Answers a permission request; the worker is RUNNING again when it was the last one. Errors: WORKER_NOT_FOUND, PERMISSION_NOT_FOUND, PERMISSION_ALREADY_ANSWERED, WORKER_NOT_RUNNING after the turn's end, BAD_INPUT for an option that it doesn't have, FORBIDDEN.",
    args: {
      input: t.arg({ type: AnswerPermissionInput, required: true, description: "The answer." }),
    },
    async resolve(_root, { input: { id, requestId, optionId } }, { viewer, workers }) {
      const session = await workers.get(id);
      assertCommands(viewer, session);
      return workers.answerPermission(session.id, { requestId, optionId });
    },
  }),
}));
