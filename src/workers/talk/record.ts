// Where the talk with an agent is written: its state, its events, and what they change of the session.
import type { AgentAction, AgentEvent, AgentPermission, AgentUsage } from "../../agents/talk.ts";
import type { Pool, PrismaClient } from "../../database/client.ts";
import { appendEvents, type Append } from "../../events/append.ts";
import { streamNotice, type Notices } from "../../events/notices.ts";
import type {
  PermissionRequest as PermissionRow,
  WorkerSession,
} from "../../generated/prisma/client.ts";
import { tellAppended } from "../../measurements.ts";
import type { OutputOffsets } from "../../process/tail.ts";
import { firstCharacters } from "../../text.ts";
import { queueTopic, workerStreamKey, type ParentEventPayload } from "../events.ts";
import { changeWorker, lockWorker, tellParent } from "../record.ts";
import { asJson, type StoredTalk } from "./stored.ts";
import { addLost, type UsedBefore } from "./usage.ts";

/** Of a command, in a status's reason. */
const longestTold = 500;

export interface TalkChange {
  readonly session: Pick<WorkerSession, "id" | "number" | "attempt"> & UsedBefore;
  /** What is to be stored; one version on. */
  readonly talk: StoredTalk;
  readonly events: readonly AgentEvent[];
  readonly offsets: OutputOffsets;
  /** The message that has become the agent's next turn. */
  readonly delivered?: string | undefined;
  /** Whether the agent began to ask its model again, or ceased to: the session's reason says so. */
  readonly isReasonChanged?: boolean;
  /** Closes the talk, unless a message waits. */
  readonly isClosing?: boolean;
}

/** refused: another attempt speaks for the session, or it has ended. busy: a message waits to be said first. */
export type Recorded = "done" | "refused" | "busy";

interface ChangeOfSession extends TalkChange {
  /** The session's, over all of its attempts. */
  readonly usage: AgentUsage | null;
}

interface RecordDependencies {
  readonly prisma: PrismaClient;
  readonly pool: Pool;
  readonly notices: Pick<Notices, "tell">;
}

export async function recordTalk(deps: RecordDependencies, change: TalkChange): Promise<Recorded> {
  const isPlain =
    change.delivered === undefined &&
    change.isClosing !== true &&
    change.isReasonChanged !== true &&
    change.talk.state.phase !== "idle" &&
    change.talk.state.phase !== "ended" &&
    !change.events.some(({ type }) => type === "permission");
  const { session, talk } = change;
  const events = change.events.map((event) =>
    event.type === "usage" ? { ...event, payload: addLost(session, event.payload) } : event,
  );
  const usage = talk.state.usage === null ? null : addLost(session, talk.state.usage);
  if (isPlain) return append(deps, { ...change, events, usage });
  return recordWithSession(deps.prisma, { ...change, events, usage });
}

/** The common case, in one statement. */
async function append(
  { pool, notices }: RecordDependencies,
  { session, talk, events, offsets, usage }: ChangeOfSession,
): Promise<Recorded> {
  const { conversationId } = talk.state;
  const { rows } = await pool.query<{ sequence: number | null }>({
    name: "store-talk",
    text: "SELECT store_talk($1, $2, $3, $4, $5::jsonb, $6::jsonb, $7, $8, $9, $10) AS sequence",
    values: [
      session.id,
      session.attempt,
      offsets.stdout,
      offsets.stderr,
      JSON.stringify(talk),
      JSON.stringify(events),
      conversationId,
      usage?.inputTokens ?? null,
      usage?.outputTokens ?? null,
      usage?.costUsd ?? null,
    ],
  });
  const sequence = rows[0]?.sequence ?? null;
  if (sequence === null) return "refused";
  if (events.length > 0) notices.tell(streamNotice(workerStreamKey(session.number), sequence));
  tellAppended(events);
  return "done";
}

/** Where the session's status, its permission requests or its messages change too. */
function recordWithSession(prisma: PrismaClient, change: ChangeOfSession): Promise<Recorded> {
  const { session, talk, events, offsets, delivered, usage } = change;
  const { id } = session;
  return prisma.$transaction(async (transaction) => {
    const before = await lockWorker(transaction, id);
    const isOurs = before.status === "RUNNING" || before.status === "WAITING";
    if (!isOurs || before.attempt !== session.attempt) return "refused";
    const version = (before.talk as { version?: unknown } | null)?.version;
    // The answer to an earlier try was lost.
    if (version === talk.version) return "done";
    if (version !== talk.version - 1) return "refused";
    if (change.isClosing === true) {
      const waiting = { sessionId: id, deliveredAt: null };
      if ((await transaction.workerMessage.findFirst({ where: waiting })) !== null) return "busy";
    }

    const asked = events.flatMap((event) =>
      event.type === "permission" ? [event.payload.request] : [],
    );
    for (const request of asked) {
      await transaction.permissionRequest.create({ data: requestRow(session, request) });
    }
    // Whatever the agent no longer waits for, be it that its turn was cancelled, nobody can answer any more.
    await transaction.permissionRequest.updateMany({
      where: { sessionId: id, answeredAt: null, requestId: { notIn: [...talk.pending] } },
      data: { answeredAt: new Date() },
    });
    if (delivered !== undefined) {
      await transaction.workerMessage.update({
        where: { id: delivered },
        data: { deliveredAt: new Date() },
      });
    }
    const { conversationId } = talk.state;
    await transaction.workerSession.update({
      where: { id },
      data: {
        talk: asJson(talk),
        stdoutOffset: offsets.stdout,
        stderrOffset: offsets.stderr,
        ...(conversationId === null ? {} : { conversationId }),
        ...(usage === null
          ? {}
          : { inputTokens: usage.inputTokens, outputTokens: usage.outputTokens }),
        ...(usage?.costUsd == null ? {} : { costUsd: usage.costUsd }),
      },
    });

    const open = await transaction.permissionRequest.findFirst({
      where: { sessionId: id, answeredAt: null },
      orderBy: { id: "asc" },
    });
    const status = open === null ? "RUNNING" : "WAITING";
    const retrying = talk.state.retrying ?? null;
    const reason = open === null ? retrying : describeAsked(open);
    const changed =
      status === before.status
        ? undefined
        : await changeWorker(transaction, id, { status, reason });
    const isSameStatus = changed === undefined && status === "RUNNING";
    if (isSameStatus && reason !== before.statusReason) {
      await transaction.workerSession.update({ where: { id }, data: { statusReason: reason } });
    }
    const current = changed?.session ?? before;
    const news = asked
      .filter(({ answer }) => answer === null)
      .map((request): Omit<ParentEventPayload, "workerId"> => ({
        previousStatus: status,
        status,
        reason: current.statusReason,
        report: null,
        outcome: null,
        permission: { ...request, options: [...request.options] },
      }));
    await appendEvents(
      transaction,
      mergeAppends([
        {
          streamId: before.streamId,
          events,
          // No change of its status, which its streams would tell: overviews read it again.
          subjects: change.isReasonChanged === true ? [`WorkerSession:${id}`] : [],
        },
        ...(changed?.appends ?? []),
        ...news.map((each) => tellParent(current, each)),
      ]),
      // Its slot is free for another one.
      changed?.session.status === "WAITING" ? [queueTopic] : [],
    );
    return "done";
  });
}

/** The title is the model's description: the command itself stands behind it. */
function describeAsked({ title, action }: PermissionRow): string {
  // Written below alone, as an AgentAction.
  const command = (action as unknown as AgentAction | null)?.command ?? null;
  if (command === null || command === title) return `asks: ${title}`;
  return `asks: ${title} (${firstCharacters(command, longestTold)})`;
}

function requestRow(session: TalkChange["session"], request: AgentPermission) {
  return {
    sessionId: session.id,
    requestId: request.id,
    attempt: session.attempt,
    title: request.title,
    action: {
      command: request.command,
      kind: request.kind,
      locations: [...request.locations],
      diff: request.diff,
    },
    options: request.options.map((option) => ({ ...option })),
    answer: request.answer,
    answeredAt: request.answer === null ? null : new Date(),
  };
}

/** One append for each stream: its events keep their order. */
function mergeAppends(appends: readonly Append[]): Append[] {
  const byStream = new Map<string, Append>();
  for (const { streamId, events, subjects = [] } of appends) {
    const before = byStream.get(streamId);
    byStream.set(streamId, {
      streamId,
      events: [...(before?.events ?? []), ...events],
      subjects: [...new Set([...(before?.subjects ?? []), ...subjects])],
    });
  }
  return [...byStream.values()].filter(
    ({ events, subjects = [] }) => events.length > 0 || subjects.length > 0,
  );
}
