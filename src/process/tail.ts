import { hostFailure } from "./host-failure.ts";
import type { OutputChunk, OutputFacts, OutputFile } from "./output-file.ts";
import { openOutputFile } from "./output-file.ts";
import { sessionPaths } from "./session-folder.ts";
import type { Wake } from "../wake.ts";
import { createWake } from "../wake.ts";
import { watchPath } from "../watch-path.ts";

export type { OutputChunk } from "./output-file.ts";
export type OutputChannel = "stdout" | "stderr";
export type OutputOffsets = Readonly<Record<OutputChannel, number>>;

export interface TailOptions {
  readonly folder: string;
  /** Where to begin, in bytes: 0, or what was stored with the last chunk. */
  readonly offsets: OutputOffsets;
  /** Ends the tail after the chunk that is being taken; `done` resolves. */
  readonly signal: AbortSignal;
  /**
   * Takes one chunk (at most 64 KiB of the file); nothing more is read until it resolves. `endOffset`
   * is the offset to begin at next time: store it with the text; or `lastLineOffset`, where what comes
   * after the last newline is to be read again. Both go back when the worker has emptied its file. If this
   * rejects, so does `done`.
   */
  readonly onChunk: (channel: OutputChannel, chunk: OutputChunk) => Promise<void>;
  /** Whether nothing more is kept, whatever comes: then it isn't read, and handed to nobody. Default: never. */
  readonly isFull?: () => boolean;
  /** How long `finish` reads before it leaves out all but the last part of each file, in milliseconds. Default 3,000. */
  readonly finishWithinMs?: number;
}

export interface OutputTail {
  /**
   * Resolves with the offsets reached, after `finish` or the signal. Rejects with HOST_FAILURE if a
   * file can't be read, or with what `onChunk` threw.
   */
  readonly done: Promise<OutputOffsets>;
  /**
   * The worker has ended: hands on what the files hold now, to the last byte, and resolves `done`. A session must not
   * wait for gigabytes: what can't be read in time is left out, but for the last part of each file.
   */
  finish(): Promise<OutputOffsets>;
}

/** Small writes that follow one another within this time become one chunk. */
const batchMs = 50;
/** The watch is a hint; this finds what it missed. */
const checkEveryMs = 2000;
const defaultFinishWithinMs = 3000;

const channels = ["stdout", "stderr"] as const;

/**
 * Follows a worker's output. One chunk of each file is taken in turn, and first of that file whose
 * last write is older, which is as near to the order of writing as two files allow.
 */
export function tailOutput(options: TailOptions): OutputTail {
  const alarm: Alarm = { changed: createWake(), batchOver: createWake(), finishing: false };
  const done = follow(options, alarm);
  // A caller may well be waiting for the worker's end first, and learns of a failure at `finish`.
  done.catch(() => undefined);
  return {
    done,
    finish() {
      alarm.finishing = true;
      alarm.changed.notify();
      alarm.batchOver.notify();
      return done;
    },
  };
}

interface Alarm {
  readonly changed: Wake;
  readonly batchOver: Wake;
  finishing: boolean;
}

interface Ends extends OutputOffsets {
  /** From then on all but the last part before the ends is left out. */
  readonly deadline: number;
}

type OutputFiles = Readonly<Record<OutputChannel, OutputFile>>;

async function follow(options: TailOptions, alarm: Alarm): Promise<OutputOffsets> {
  const { folder, signal } = options;
  const files = await openFiles(options);
  let watch: Disposable | undefined;
  try {
    let ends: Ends | undefined;
    while (!signal.aborted) {
      if (alarm.finishing && ends === undefined) {
        // Something that outlived the worker may write on for ever; that isn't waited for.
        const { finishWithinMs = defaultFinishWithinMs } = options;
        ends = { ...inspectSizes(files), deadline: performance.now() + finishWithinMs };
      }
      const round = await takeRound(files, ends, options);
      if (round.chunks > 0) {
        // A watch would tell of every line of a busy worker; there is no need while we look anyway.
        watch?.[Symbol.dispose]();
        watch = undefined;
        if (!round.full && ends === undefined) {
          await alarm.batchOver.wait(batchMs, signal);
        }
      } else if (ends !== undefined) {
        break;
      } else if (watch === undefined) {
        // Then look once more, for what was written before the watch was there.
        watch = watchFiles(folder, alarm.changed.notify);
      } else {
        await alarm.changed.wait(checkEveryMs, signal);
      }
    }
    return { stdout: files.stdout.offset, stderr: files.stderr.offset };
  } finally {
    watch?.[Symbol.dispose]();
    await Promise.all(channels.map((channel) => files[channel].close()));
  }
}

/** Hands on one chunk of each file that has more. */
async function takeRound(
  files: OutputFiles,
  ends: Ends | undefined,
  { folder, signal, onChunk, isFull }: TailOptions,
): Promise<{ chunks: number; full: boolean }> {
  let chunks = 0;
  let full = false;
  for (const { channel, facts } of inspectByAge(files)) {
    const file = files[channel];
    const end = ends?.[channel];
    if (isFull?.() === true) {
      file.accept({ endOffset: end ?? facts.size });
      continue;
    }
    const isLate = ends !== undefined && performance.now() >= ends.deadline;
    let chunk = isLate ? file.skip(ends[channel]) : undefined;
    try {
      if (!signal.aborted) chunk ??= await file.read(facts, end);
    } catch (error) {
      throw hostFailure(error, `read ${channel} in ${folder}`);
    }
    if (chunk !== undefined) {
      await onChunk(channel, chunk);
      file.accept(chunk);
      chunks += 1;
      full ||= chunk.full;
    }
  }
  return { chunks, full };
}

function inspectByAge(
  files: OutputFiles,
): readonly { channel: OutputChannel; facts: OutputFacts }[] {
  const stdout = files.stdout.inspect();
  const stderr = files.stderr.inspect();
  const inOrder = [
    { channel: "stdout", facts: stdout },
    { channel: "stderr", facts: stderr },
  ] as const;
  return stderr.modifiedAt < stdout.modifiedAt ? inOrder.toReversed() : inOrder;
}

function inspectSizes(files: OutputFiles): OutputOffsets {
  return { stdout: files.stdout.inspect().size, stderr: files.stderr.inspect().size };
}

async function openFiles({ folder, offsets }: TailOptions): Promise<OutputFiles> {
  const paths = sessionPaths(folder);
  try {
    const stdout = await openOutputFile(paths.stdout, offsets.stdout);
    try {
      return { stdout, stderr: await openOutputFile(paths.stderr, offsets.stderr) };
    } catch (error) {
      await stdout.close();
      throw error;
    }
  } catch (error) {
    throw hostFailure(error, `open the worker's output in ${folder}`);
  }
}

function watchFiles(folder: string, onChange: () => void): Disposable {
  const paths = sessionPaths(folder);
  const watches = channels.map((channel) => watchPath(paths[channel], onChange));
  return {
    [Symbol.dispose]() {
      for (const watch of watches) {
        watch[Symbol.dispose]();
      }
    },
  };
}
