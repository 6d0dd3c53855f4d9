import type { PrismaClient } from "../../database/client.ts";
import { FactoryError } from "../../errors.ts";
import { appendEvents } from "../../events/append.ts";
import type { AgentAction } from "../../agents/talk.ts";
import type { PermissionRequest, WorkerSession } from "../../generated/prisma/client.ts";
import { changeWorker, lockWorker, workerEvent } from "../record.ts";
import { workerTopic, type PermissionRequestPayload } from "../events.ts";
import { workerName } from "../find.ts";
import { isFinal } from "../states.ts";

export interface PermissionAnswer {
  readonly requestId: string;
  readonly optionId: string;
}

/**
 * Records the answer, which the session's runner then passes on: also where that is away at the moment.
 * @throws FactoryError PERMISSION_NOT_FOUND, PERMISSION_ALREADY_ANSWERED, WORKER_NOT_RUNNING, BAD_INPUT
 */
export async function answerPermission(
  prisma: PrismaClient,
  id: string,
  { requestId, optionId }: PermissionAnswer,
): Promise<WorkerSession> {
  return prisma.$transaction(async (transaction) => {
    const session = await lockWorker(transaction, id);
    const row = await transaction.permissionRequest.findUnique({
      where: { sessionId_requestId: { sessionId: id, requestId } },
    });
    if (row === null) {
      throw new FactoryError(
        "PERMISSION_NOT_FOUND",
        `${workerName(session)} has no permission request ${JSON.stringify(requestId)}: see its pendingPermissions`,
      );
    }
    const request = readRequest(row);
    if (row.answer !== null) {
      throw new FactoryError(
        "PERMISSION_ALREADY_ANSWERED",
        `the request was answered before, with ${JSON.stringify(row.answer)}`,
      );
    }
    if (isFinal(session.status) || row.answeredAt !== null || row.attempt !== session.attempt) {
      throw new FactoryError(
        "WORKER_NOT_RUNNING",
        `${workerName(session)} no longer waits for this answer: its turn has ended`,
      );
    }
    if (!request.options.some((option) => option.id === optionId)) {
      const known = request.options.map((option) => option.id).join(", ");
      throw new FactoryError(
        "BAD_INPUT",
        `optionId must be one of the request's options: ${known}`,
      );
    }
    await transaction.permissionRequest.update({
      where: { id: row.id },
      data: { answer: optionId, answeredAt: new Date() },
    });
    const isLast =
      (await transaction.permissionRequest.count({
        where: { sessionId: id, answeredAt: null },
      })) === 0;
    const changed =
      isLast && session.status === "WAITING"
        ? await changeWorker(transaction, id, { status: "RUNNING", reason: null })
        : undefined;
    const told = workerEvent("permission", { request: { ...request, answer: optionId } });
    const [first, ...others] = changed?.appends ?? [{ streamId: session.streamId, events: [] }];
    await appendEvents(
      transaction,
      // The first is the worker's own stream: see tellBoth.
      [
        { ...first, streamId: session.streamId, events: [told, ...(first?.events ?? [])] },
        ...others,
      ],
      [workerTopic(id)],
    );
    return changed?.session ?? session;
  });
}

/** What the session asks for and nobody has answered yet, oldest first. */
export async function listPending(
  prisma: PrismaClient,
  ids: readonly string[],
): Promise<PermissionRequestPayload[][]> {
  const rows = await prisma.permissionRequest.findMany({
    where: { sessionId: { in: [...ids] }, answeredAt: null, session: { finishedAt: null } },
    orderBy: { id: "asc" },
  });
  return ids.map((id) => rows.filter(({ sessionId }) => sessionId === id).map(readRequest));
}

function readRequest({ requestId, title, options, answer, action }: PermissionRequest) {
  // Written by talk/record.ts alone, in these shapes.
  const known = options as unknown as PermissionRequestPayload["options"];
  const told = action as unknown as AgentAction | null;
  return { id: requestId, title, options: known, answer, ...told };
}
