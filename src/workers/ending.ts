// Why a session may have to be ended from outside: somebody cancelled it, its time is up, its agent may not reach its
// model, or it was taken for lost and is another attempt's.
import type { PrismaClient } from "../database/client.ts";
import { insist } from "../database/insist.ts";
import type { Notices } from "../events/notices.ts";
import type { WorkerSession } from "../generated/prisma/client.ts";
import type { Logger } from "../log.ts";
import { workerTopic } from "./events.ts";
import { findNeededHost } from "./sandbox/refusals.ts";
import { isActive } from "./states.ts";

export interface Ending {
  /** Aborted when the session is to be ended. */
  readonly signal: AbortSignal;
  /** Resolves when a cancellation from before is known. */
  readonly ready: Promise<void>;
  /** The session's timeout counts from when its agent started, which may be long ago. */
  startClock(timeoutSeconds: number | null, startedAt: Date): void;
  /** The agent has ended: what is still done for its session takes its own time. */
  stopClock(): void;
  timedOut(): boolean;
  close(): void;
}

export function watchEnding(
  deps: { readonly prisma: PrismaClient; readonly notices: Notices; readonly logger: Logger },
  { id, attempt }: WorkerSession,
): Ending {
  const controller = new AbortController();
  const closing = new AbortController();
  let timedOut = false;
  let timer: NodeJS.Timeout | undefined;

  async function look(): Promise<void> {
    const session = await deps.prisma.workerSession.findUnique({
      where: { id },
      select: { cancelRequestedAt: true, attempt: true, status: true, blocked: true },
    });
    if (session?.cancelRequestedAt != null) controller.abort(new Error("cancelled"));
    const host = session === null ? undefined : findNeededHost(session);
    if (host !== undefined) controller.abort(new Error(`it may not reach ${host}`));
    const isOurs = session?.attempt === attempt && isActive(session.status);
    if (!isOurs) controller.abort(new Error("it was taken for lost, and ended or begun again"));
  }

  function lookAndTell(): Promise<void> {
    return insist(look, { signal: closing.signal }).catch((error: unknown) => {
      if (!closing.signal.aborted)
        deps.logger.error({ err: error }, "a cancellation could not be looked for");
    });
  }

  const unwatch = deps.notices.watch(workerTopic(id), () => void lookAndTell());
  return {
    signal: controller.signal,
    ready: lookAndTell(),
    startClock(timeoutSeconds, startedAt) {
      if (timeoutSeconds === null) return;
      const end = startedAt.getTime() + timeoutSeconds * 1000;
      timer = setTimeout(
        () => {
          timedOut = true;
          controller.abort(new Error("timed out"));
        },
        Math.max(0, end - Date.now()),
      );
    },
    stopClock() {
      clearTimeout(timer);
    },
    timedOut: () => timedOut,
    close() {
      closing.abort();
      unwatch();
      clearTimeout(timer);
    },
  };
}
