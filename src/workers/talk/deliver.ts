// What others left for a running agent: answers to what it asked, and messages, each its next turn.
import { asWords } from "../../agents/prompt.ts";
import type { AgentVerdict } from "../../agents/talk.ts";
import type { PrismaClient } from "../../database/client.ts";
import { insist, type InsistOptions } from "../../database/insist.ts";
import type { WorkerSession } from "../../generated/prisma/client.ts";
import type { Conversation } from "./conversation.ts";

export interface DeliverOptions {
  readonly prisma: PrismaClient;
  readonly session: Pick<WorkerSession, "id">;
  /** Whether a limit forbids the next turn, and which. */
  readonly findReached: () => Promise<AgentVerdict | undefined>;
  readonly patience: InsistOptions;
}

/** Gives the agent what waits for it, and closes the talk where nothing is left to say. */
export async function deliver(conversation: Conversation, options: DeliverOptions): Promise<void> {
  if (conversation.talk.isClosed) return;
  if (conversation.talk.pending.length > 0) await passAnswers(conversation, options);
  while (conversation.talk.state.phase === "idle" && conversation.talk.overruled === null) {
    if (!(await passMessage(conversation, options))) break;
  }
  const isClosed = await closeWhereDone(conversation);
  // A message came meanwhile.
  if (!isClosed) await deliver(conversation, options);
}

async function passAnswers(
  conversation: Conversation,
  { prisma, session, patience }: DeliverOptions,
): Promise<void> {
  const answers = await insist(
    () =>
      prisma.permissionRequest.findMany({
        where: {
          sessionId: session.id,
          requestId: { in: [...conversation.talk.pending] },
          answeredAt: { not: null },
        },
        orderBy: { answeredAt: "asc" },
      }),
    patience,
  );
  for (const { requestId, answer } of answers) {
    await conversation.ask(
      { kind: "answer", requestId, optionId: answer },
      { answered: [requestId] },
    );
  }
}

/** @returns false where none waits, or a limit forbids it */
async function passMessage(
  conversation: Conversation,
  { prisma, session, findReached, patience }: DeliverOptions,
): Promise<boolean> {
  const message = await insist(
    () =>
      prisma.workerMessage.findFirst({
        where: { sessionId: session.id, deliveredAt: null },
        orderBy: { id: "asc" },
      }),
    patience,
  );
  if (message === null) return false;
  const overruled = await findReached();
  if (overruled !== undefined) {
    await conversation.take({ patch: { overruled } });
    return false;
  }
  const { id } = message;
  const text = asWords(message.text);
  await conversation.ask(
    { kind: "message", text },
    { more: { delivered: id }, events: [{ type: "message", payload: { role: "USER", text } }] },
  );
  return true;
}

/** @returns false where a message waits to be said first */
async function closeWhereDone(conversation: Conversation): Promise<boolean> {
  const { state, isClosed, overruled } = conversation.talk;
  if (isClosed || (state.phase !== "idle" && state.phase !== "ended")) return true;
  const isOver = state.phase === "ended" || overruled !== null;
  const isTaken = await conversation.take({
    patch: { isClosed: true },
    ...(isOver ? {} : { more: { isClosing: true } }),
  });
  if (isTaken) conversation.close();
  return isTaken;
}
