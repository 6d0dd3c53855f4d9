// One LISTEN connection per server process feeds everything that waits.
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { z } from "zod";
import { createBackoff } from "../backoff.ts";
import type { Logger } from "../log.ts";

const channel = "factory";
/** A connection that doesn't answer within this is half open, and replaced. */
const heartbeatMs = 5_000;

const noticeSchema = z.object({
  topic: z.string(),
  sequence: z.number().optional(),
  subjects: z.array(z.string()).default([]),
});

/** Carries names and numbers alone: Postgres limits a payload to 8,000 bytes. */
export type Notice = z.infer<typeof noticeSchema>;

/** undefined: notices may have been missed; look for yourself. */
export type NoticeListener = (notice: Notice | undefined) => void;

/** That a stream has grown to this sequence. */
export function streamNotice(streamKey: string, sequence: number): Notice {
  return { topic: `stream:${streamKey}`, sequence, subjects: [] };
}

export interface Notices {
  /** Calls the listener for each notice on the topic ("*": on any) until the returned function is called. */
  watch(topic: string, listener: NoticeListener): () => void;
  /**
   * Tells of what is committed: those who watch here at once, other servers soon, of several notices on one
   * topic the last alone. What can't be told is dropped: who waits looks for itself now and then.
   */
  tell(notice: Notice): void;
  /** Resolves once the first connection listens. */
  start(): Promise<void>;
  close(): Promise<void>;
}

export function createNotices(url: string, logger: Logger): Notices {
  const listeners = new Map<string, Set<NoticeListener>>();
  const closing = new AbortController();
  let client: pg.Client | undefined;
  let running: Promise<void> | undefined;
  /** For other servers, by topic. */
  const untold = new Map<string, Notice>();
  let isTelling = false;

  function wake(topic: string, notice: Notice | undefined): void {
    for (const listener of listeners.get(topic) ?? []) {
      try {
        listener(notice);
      } catch (error) {
        // It is a bug of whoever listens, and neither of those beside it nor of those who told.
        logger.error({ err: error, topic }, "a listener of notices failed");
      }
    }
  }

  function wakeAll(): void {
    for (const topic of listeners.keys()) wake(topic, undefined);
  }

  function hear(notice: Notice): void {
    wake(notice.topic, notice);
    wake("*", notice);
  }

  /** One statement at a time: what is told of meanwhile goes into the next. */
  async function tellOthers(): Promise<void> {
    if (isTelling) return;
    isTelling = true;
    try {
      while (untold.size > 0) {
        const payloads = [...untold.values()].map((notice) => JSON.stringify(notice));
        untold.clear();
        await client?.query({
          name: "tell",
          text: `SELECT count(pg_notify('${channel}', payload)::text) FROM unnest($1::text[]) AS payload`,
          values: [payloads],
        });
      }
    } catch (error) {
      logger.debug({ err: error }, "notices were not told to other servers");
    } finally {
      isTelling = false;
    }
  }

  function receive(payload: string | undefined): void {
    try {
      hear(noticeSchema.parse(JSON.parse(payload ?? "")));
    } catch (error) {
      logger.warn({ err: error, payload }, "a notice on the channel could not be read");
    }
  }

  async function connect(): Promise<pg.Client> {
    const next = new pg.Client({
      connectionString: url,
      application_name: "factory-notices",
      keepAlive: true,
      connectionTimeoutMillis: heartbeatMs,
      query_timeout: heartbeatMs,
    });
    // The loop in `listen` hears of a broken connection through its heartbeat and the "end" event.
    next.on("error", (error) => {
      logger.debug({ err: error }, "the notices' connection broke");
    });
    next.on("notification", (message) => {
      receive(message.payload);
    });
    try {
      await next.connect();
      await next.query(`LISTEN ${channel}`);
      return next;
    } catch (error) {
      endSoon(next);
      throw error;
    }
  }

  /** Resolves when the connection has ended, rejects when it no longer answers. */
  async function watchOver(current: pg.Client): Promise<void> {
    const ended = new AbortController();
    current.once("end", () => {
      ended.abort();
    });
    const stop = AbortSignal.any([ended.signal, closing.signal]);
    while (!stop.aborted) {
      await delay(heartbeatMs, undefined, { signal: stop }).catch(() => undefined);
      // Aborted meanwhile, or at the connection's end.
      if (isAborted(stop)) return;
      await current.query("SELECT 1");
    }
  }

  async function listen(first: pg.Client): Promise<void> {
    const backoff = createBackoff();
    let current: pg.Client | undefined = first;
    while (!closing.signal.aborted) {
      try {
        current ??= await connect();
        client = current;
        backoff.reset();
        wakeAll();
        await watchOver(current);
      } catch (error) {
        logger.warn({ err: error }, "the notices' connection was lost; connecting again");
      }
      endSoon(current);
      current = undefined;
      client = undefined;
      if (isAborted(closing.signal)) return;
      await backoff.wait(closing.signal);
    }
  }

  return {
    watch(topic, listener) {
      const set = listeners.get(topic) ?? new Set();
      listeners.set(topic, set);
      set.add(listener);
      return () => {
        set.delete(listener);
        if (set.size === 0 && listeners.get(topic) === set) listeners.delete(topic);
      };
    },
    tell(notice) {
      hear(notice);
      untold.set(notice.topic, notice);
      void tellOthers();
    },
    async start() {
      const first = await connect();
      running = listen(first);
    },
    async close() {
      closing.abort();
      endSoon(client);
      await running;
    },
  };
}

/** A half-open connection's end() may never resolve, and nothing waits for it. */
function endSoon(client: pg.Client | undefined): void {
  void client?.end().catch(() => undefined);
}

/** What a signal says now: the compiler takes an earlier answer to stand, also behind an await. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}
