// A worker's token ends with its session, and with it what it still listens to.
import type { Viewer } from "../access/viewer.ts";
import { insist } from "../database/insist.ts";
import { abortable } from "../events/abortable.ts";
import type { Notices } from "../events/notices.ts";
import type { Logger } from "../log.ts";
import type { WorkerService } from "../workers/service.ts";

/** So that a worker which follows itself still hears how it ended. */
const lastWordsMs = 1_000;

export interface SessionWatch {
  readonly notices: Notices;
  readonly workers: WorkerService;
  readonly logger: Logger;
}

/** The source, ended a second after the viewer's session at the latest; as it is for the operator. */
export function endWithSession<T>(
  source: AsyncGenerator<T>,
  viewer: Viewer,
  { notices, workers, logger }: SessionWatch,
): AsyncGenerator<T> {
  if (viewer.kind === "operator") return source;
  const { name, sessionId } = viewer;
  const ended = new AbortController();
  let timer: NodeJS.Timeout | undefined;

  async function look(): Promise<void> {
    const session = await workers.find(name);
    if (session !== null && session.finishedAt === null) return;
    timer ??= setTimeout(() => void source.return(undefined), lastWordsMs);
  }
  function lookNow(): void {
    insist(look, { signal: ended.signal }).catch((error: unknown) => {
      if (!ended.signal.aborted)
        logger.error({ err: error }, "whether a subscriber's session has ended could not be read");
    });
  }

  const subject = `WorkerSession:${sessionId}`;
  const unwatch = notices.watch("*", (notice) => {
    if (notice?.subjects.includes(subject) ?? true) lookNow();
  });
  // It may have ended between the look at its token and the watch.
  lookNow();

  async function* pass(): AsyncGenerator<T> {
    yield* source;
  }
  return abortable(pass, () => {
    ended.abort();
    unwatch();
    clearTimeout(timer);
    void source.return(undefined);
  });
}
