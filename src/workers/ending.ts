// Why a session may have to be ended from outside: somebody cancelled it, or its time is up.
import type { PrismaClient } from "../database/client.ts";
import type { Notices } from "../events/notices.ts";
import type { WorkerSession } from "../generated/prisma/client.ts";
import type { Logger } from "../log.ts";
import { workerTopic } from "./events.ts";

export interface Ending {
  /** Aborted when the session is to be ended. */
  readonly signal: AbortSignal;
  /** Resolves when a cancellation from before is known. */
  readonly ready: Promise<void>;
  /** From here on the session's timeout counts; its start may be long ago. */
  startClock(session: WorkerSession): void;
  timedOut(): boolean;
  close(): void;
}

export function watchEnding(
  deps: { readonly prisma: PrismaClient; readonly notices: Notices; readonly logger: Logger },
  { id }: WorkerSession,
): Ending {
  const controller = new AbortController();
  let timedOut = false;
  let timer: NodeJS.Timeout | undefined;

  async function look(): Promise<void> {
    const session = await deps.prisma.workerSession.findUnique({
      where: { id },
      select: { cancelRequestedAt: true },
    });
    if (session?.cancelRequestedAt != null) controller.abort(new Error("cancelled"));
  }

  function lookAndTell(): Promise<void> {
    return look().catch((error: unknown) => {
      // The notices' connection tells when the database is back, and this looks again.
      deps.logger.warn({ err: error }, "a cancellation could not be looked for");
    });
  }

  const unwatch = deps.notices.watch(workerTopic(id), () => void lookAndTell());
  return {
    signal: controller.signal,
    ready: lookAndTell(),
    startClock({ startedAt, timeoutSeconds }) {
      if (timeoutSeconds === null || startedAt === null) return;
      const end = startedAt.getTime() + timeoutSeconds * 1000;
      timer = setTimeout(
        () => {
          timedOut = true;
          controller.abort(new Error("timed out"));
        },
        Math.max(0, end - Date.now()),
      );
    },
    timedOut: () => timedOut,
    close() {
      unwatch();
      clearTimeout(timer);
    },
  };
}
