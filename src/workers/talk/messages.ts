// What is said to a worker after its task: its next turn while it runs, and a new session after its end.
import type { Viewer } from "../../access/viewer.ts";
import { capabilitiesOfSession } from "../../agents/capabilities.ts";
import type { AgentListing } from "../../agents/definition.ts";
import type { Database } from "../../database/client.ts";
import { FactoryError } from "../../errors.ts";
import { appendEvents } from "../../events/append.ts";
import type { WorkerMessage, WorkerSession } from "../../generated/prisma/client.ts";
import { checkText } from "../../text.ts";
import { dispatch, type DispatchDependencies, type Dispatched } from "../dispatch.ts";
import { workerTopic } from "../events.ts";
import { workerName } from "../find.ts";
import { checkKey, hashInput, longestTaskBytes } from "../input.ts";
import { lockWorker } from "../record.ts";
import { inputOf } from "../repeat.ts";
import { isFinal } from "../states.ts";
import { readTalk } from "./stored.ts";

export interface Message {
  readonly text: string;
  readonly idempotencyKey: string | undefined;
}

/** Of one session that wait for the end of its turn: more is a runaway parent. */
const mostWaiting = 100;

/**
 * @throws FactoryError BAD_INPUT, NOT_SUPPORTED (an agent that can't be spoken to, or not while it runs),
 * IDEMPOTENCY_MISMATCH, LIMIT_EXCEEDED, and for a new session those of dispatch
 */
export async function sendMessage(
  deps: DispatchDependencies,
  session: WorkerSession,
  message: Message,
  viewer: Viewer,
): Promise<Dispatched> {
  checkText("text", message.text, { longestBytes: longestTaskBytes, lines: true });
  if (message.idempotencyKey !== undefined) checkKey(message.idempotencyKey);
  const agent = await deps.agents.find(session.agent);
  if (capabilitiesOfSession(session, agent)?.includes("FOLLOW_UP") === false) {
    throw new FactoryError(
      "NOT_SUPPORTED",
      `${workerName(session)} is a ${session.agent}, which can't be spoken to: dispatch a new worker`,
    );
  }
  const queued = await deps.prisma.$transaction((transaction) =>
    queueMessage(transaction, session.id, message, agent),
  );
  return queued ?? followUp(deps, session, message, viewer);
}

/** undefined: nothing more is said to this session. */
async function queueMessage(
  transaction: Database,
  id: string,
  { text, idempotencyKey }: Message,
  agent: AgentListing | undefined,
): Promise<Dispatched | undefined> {
  // The talk is closed under this lock too, so a message is either heard or not taken.
  const session = await lockWorker(transaction, id);
  if (idempotencyKey !== undefined) {
    const first = await transaction.workerMessage.findUnique({
      where: { sessionId_idempotencyKey: { sessionId: id, idempotencyKey } },
    });
    if (first !== null) {
      if (first.text === text) return { worker: session, created: false };
      throw new FactoryError(
        "IDEMPOTENCY_MISMATCH",
        `the idempotencyKey ${idempotencyKey} was used with another text: use a new key for a new message`,
      );
    }
  }
  if (isFinal(session.status) || session.cancelRequestedAt !== null) return undefined;
  if (readTalk(session.talk)?.isClosed === true) return undefined;
  if (capabilitiesOfSession(session, agent)?.includes("MESSAGES") === false) {
    throw new FactoryError(
      "NOT_SUPPORTED",
      `${workerName(session)} runs without its Agent Client Protocol, and can't be spoken to before its end: send it then`,
    );
  }
  const waiting = await transaction.workerMessage.count({
    where: { sessionId: id, deliveredAt: null },
  });
  if (waiting >= mostWaiting) {
    throw new FactoryError(
      "LIMIT_EXCEEDED",
      `${String(mostWaiting)} messages wait for ${workerName(session)} already: wait until it has read some`,
    );
  }
  await transaction.workerMessage.create({
    data: { sessionId: id, text, idempotencyKey: idempotencyKey ?? null },
  });
  await appendEvents(transaction, [], [workerTopic(id)]);
  return { worker: session, created: false };
}

/** A new session that goes on with the conversation, in the same worktree. */
async function followUp(
  deps: DispatchDependencies,
  previous: WorkerSession,
  { text, idempotencyKey }: Message,
  viewer: Viewer,
): Promise<Dispatched> {
  return dispatch(
    deps,
    {
      ...(await inputOf(deps.prisma, previous)),
      task: text,
      branch: previous.branch,
      idempotencyKey,
    },
    viewer,
    {
      previousId: previous.id,
      inputHash: hashInput("message", { id: previous.id, text }),
      isFollowUp: true,
    },
  );
}

/** What waits for the end of the agent's turn, oldest first. */
export async function listWaiting(
  prisma: Pick<Database, "workerMessage">,
  ids: readonly string[],
): Promise<WorkerMessage[][]> {
  const rows = await prisma.workerMessage.findMany({
    where: { sessionId: { in: [...ids] }, deliveredAt: null },
    orderBy: { id: "asc" },
  });
  return ids.map((id) => rows.filter(({ sessionId }) => sessionId === id));
}
