// What is said to an agent first, as its session's row holds it before the agent starts.
import type { ResolvedAgent, StartContext } from "../../agents/definition.ts";
import { protocolOf } from "../../agents/protocols.ts";
import type { TalkResume } from "../../agents/talk.ts";
import type { PrismaClient } from "../../database/client.ts";
import { Prisma, type WorkerSession } from "../../generated/prisma/client.ts";
import { asJson, toStorable, type StoredTalk } from "./stored.ts";

/** Stored before the start: whatever is killed after it, the next server knows what was said. */
export async function beginTalk(
  prisma: PrismaClient,
  session: WorkerSession,
  { way }: ResolvedAgent,
  context: StartContext,
): Promise<{ session: WorkerSession; isSpokenTo: boolean }> {
  const protocol = protocolOf(way.protocol);
  const step = protocol?.begin(context);
  const prompt = { type: "message", payload: { role: "USER", text: context.prompt } } as const;
  const talk: StoredTalk | undefined =
    step === undefined
      ? undefined
      : {
          version: 0,
          state: step.state,
          outbox: step.lines,
          outboxOffset: 0,
          pending: [],
          isClosed: false,
          overruled: null,
          firstEvents: [prompt, ...step.events],
        };
  const updated = await prisma.workerSession.update({
    where: { id: session.id },
    data: {
      protocol: way.protocol,
      talk: talk === undefined ? Prisma.DbNull : asJson(toStorable(talk)),
    },
  });
  return { session: updated, isSpokenTo: protocol?.isSpokenTo ?? false };
}

/** The conversation that a follow-up goes on with; undefined: a new one begins. */
export async function findConversation(
  prisma: PrismaClient,
  { isFollowUp, previousId, task }: WorkerSession,
): Promise<TalkResume | undefined> {
  if (!isFollowUp || previousId === null) return undefined;
  const previous = await prisma.workerSession.findUnique({ where: { id: previousId } });
  if (previous?.conversationId == null) return undefined;
  const { conversationId, inputTokens, outputTokens, costUsd } = previous;
  const usage =
    inputTokens === null || outputTokens === null ? null : { inputTokens, outputTokens, costUsd };
  return { conversationId, promptIfNew: newConversation(previous, task), usage };
}

/** What an agent is told that can't resume the conversation. */
export function newConversation(
  { task, summary }: Pick<WorkerSession, "task" | "summary">,
  text: string,
): string {
  return [
    text,
    "",
    "This is a new conversation: an earlier one about this work, in this worktree, can't be resumed. Its task was:",
    quote(task),
    ...(summary === null ? [] : ["", "Its last words were:", quote(summary)]),
    "",
    "See the branch's commits and the worktree's changes for what was done.",
  ].join("\n");
}

function quote(text: string): string {
  return text
    .split("\n")
    .map((line) => `> ${line}`)
    .join("\n");
}
