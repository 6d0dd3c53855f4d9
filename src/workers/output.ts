// A worker's output on its way from the spool to the event log.
import type { Pool } from "../database/client.ts";
import { insist } from "../database/insist.ts";
import { streamNotice, type Notices } from "../events/notices.ts";
import type { WorkerSession } from "../generated/prisma/client.ts";
import type { Logger } from "../log.ts";
import { tellAppended } from "../measurements.ts";
import type { OutputChannel, OutputChunk, OutputOffsets } from "../process/tail.ts";
import { workerStreamKey, type WorkerOutputPayload } from "./events.ts";
import { createOutputMeter, skippedMarker } from "./output-meter.ts";
import type { Secrets } from "./secrets.ts";

export interface OutputStoreOptions {
  readonly pool: Pool;
  readonly notices: Pick<Notices, "tell">;
  readonly session: Pick<WorkerSession, "id" | "number" | "attempt">;
  readonly offsets: OutputOffsets;
  /** Never stored. */
  readonly secrets: Pick<Secrets, "createRedactor">;
  /** Ends the tries to store while the database is away. */
  readonly signal: AbortSignal;
  readonly logger: Logger;
}

export type StoredChunk = Pick<OutputChunk, "text" | "endOffset" | "skippedBytes">;

export interface OutputStore {
  /**
   * Waits out an outage of the database; what is stored is stored once.
   * @throws OutputRefused where another attempt took over, or the session has ended; the signal's reason.
   */
  store(channel: OutputChannel, chunk: StoredChunk): Promise<void>;
  /** Nothing more is kept, whatever comes. */
  isFull(): boolean;
  /** Stores what is held back; called when both files have been read to their ends. */
  flush(): Promise<void>;
}

export function createOutputStore(options: OutputStoreOptions): OutputStore {
  const { pool, notices, session, secrets, signal, logger } = options;
  const redactors = { stdout: secrets.createRedactor(), stderr: secrets.createRedactor() };
  const meter = createOutputMeter(options.offsets.stdout + options.offsets.stderr);
  const read = { ...options.offsets };
  const stored = { ...options.offsets };
  /** What was left out since the last text. */
  const skipped = { stdout: 0, stderr: 0 };
  /** What the row says. */
  let recorded: OutputOffsets = { ...options.offsets };

  async function append(channel: OutputChannel, text: string): Promise<void> {
    const payload: WorkerOutputPayload = {
      channel: channel === "stdout" ? "STDOUT" : "STDERR",
      text,
    };
    const events = text === "" ? [] : [{ type: "output", payload }];
    const reached = { ...stored };
    const offsets = [recorded.stdout, recorded.stderr, reached.stdout, reached.stderr];
    const query = {
      name: "store-output",
      text: "SELECT store_output($1, $2, $3, $4, $5, $6, $7::jsonb) AS sequence",
      values: [session.id, session.attempt, ...offsets, JSON.stringify(events)],
    };
    const { rows } = await insist(() => pool.query<{ sequence: number | null }>(query), {
      signal,
      onFailure(error) {
        logger.warn({ err: error }, "output waits for the database in its file");
      },
    });
    const sequence = rows[0]?.sequence ?? null;
    if (sequence === null) throw new OutputRefused();
    recorded = reached;
    if (events.length > 0) notices.tell(streamNotice(workerStreamKey(session.number), sequence));
    tellAppended(events);
  }

  function takeMarker(channel: OutputChannel): string {
    const bytes = skipped[channel];
    skipped[channel] = 0;
    return bytes === 0 ? "" : skippedMarker(bytes);
  }

  return {
    isFull: () => meter.isFull(),
    async store(channel, { text, endOffset, skippedBytes }) {
      read[channel] = endOffset;
      skipped[channel] += skippedBytes;
      // Told with the text after it, and not for each piece.
      if (text === "") return;
      const whole = takeMarker(channel) + text;
      const shown = redactors[channel].push(meter.keep(whole));
      stored[channel] = Math.max(0, endOffset - redactors[channel].heldBytes());
      await append(channel, shown);
    },
    async flush() {
      for (const channel of ["stdout", "stderr"] as const) {
        const marker = takeMarker(channel);
        const rest = redactors[channel].flush() + (marker === "" ? "" : meter.keep(marker));
        stored[channel] = read[channel];
        if (rest !== "") await append(channel, rest);
      }
    },
  };
}

/** This attempt no longer speaks for the session. */
export class OutputRefused extends Error {
  override readonly name = "OutputRefused";
}
