// One worker's events as they come, kept as blocks: from near the end on, and from further back where asked for.
import type { Failure } from "../../../client/failure.ts";
import { createStore, type Store } from "../../../client/store.ts";
import { follow } from "../../../client/stream.ts";
import type { Block } from "./blocks.ts";
import { append, createBuilder, limit } from "./builder.ts";
import { prepend } from "./join.ts";
import { readEarlier } from "./earlier.ts";
import { workerEvents, type WorkerEvent } from "./operations.ts";

/** The page keeps so much, and lets the oldest go. */
export const mostLines = 200_000;
const mostCharacters = 64 * 1024 * 1024;
/** How far from the end it begins. */
const firstEvents = 500;
/** Events that wait to be taken in. Beyond that the stream is ended, and goes on when they are. */
const mostWaiting = 2_000;
/** How long events are taken in at a time, and then left alone, so that the page stays quick. */
const sliceMs = 8;
const hiddenSliceMs = 200;
const pauseMs = 60;
const retryMs = 3_000;

export interface StreamState {
  readonly blocks: readonly Block[];
  readonly lines: number;
  /** Lines that were ever added at the end. */
  readonly added: number;
  /** undefined: nothing has come yet. */
  readonly firstSequence: number | undefined;
  readonly earlier: "none" | "more" | "loading";
  /** The oldest were let go: the page keeps no more. */
  readonly isFull: boolean;
  /** The server keeps no events before this one. */
  readonly expiredBefore: number | undefined;
  /** What was there when the page was opened has not come yet. */
  readonly isCatchingUp: boolean;
  readonly isOver: boolean;
  /** The stream was refused, and is asked for again after a while. */
  readonly failure: Failure | undefined;
  readonly earlierFailure: Failure | undefined;
}

const empty: StreamState = {
  blocks: [],
  lines: 0,
  added: 0,
  firstSequence: undefined,
  earlier: "none",
  isFull: false,
  expiredBefore: undefined,
  isCatchingUp: true,
  isOver: false,
  failure: undefined,
  earlierFailure: undefined,
};

export interface WorkerStream {
  readonly state: Store<StreamState>;
  readonly loadEarlier: () => Promise<void>;
  /** Returns what ends it. */
  readonly start: (onEvent: (event: WorkerEvent) => void) => () => void;
}

/** @param lastSequence of its latest event: the stream begins a way before it */
export function createWorkerStream(id: string, lastSequence: number): WorkerStream {
  const state = createStore(empty);
  const builder = createBuilder();
  const waiting: WorkerEvent[] = [];
  let leaving = new AbortController();
  let onEvent: (event: WorkerEvent) => void = () => undefined;
  let heard = Math.max(0, lastSequence - firstEvents);
  /** The events after this one are here, or come. */
  let begin = heard;
  let end: (() => void) | undefined;
  let timer: number | undefined;
  let isOver = false;

  function change(changes: Partial<StreamState>): void {
    state.write({ ...state.read(), ...changes });
  }

  function open(): void {
    if (leaving.signal.aborted || isOver) return;
    end = follow(workerEvents, () => ({ id, after: heard }), {
      onData({ workerEvents: event }) {
        heard = event.sequence;
        waiting.push(event);
        timer ??= window.setTimeout(takeIn, 0);
        if (waiting.length > mostWaiting) close();
      },
      onEnd() {
        isOver = true;
        timer ??= window.setTimeout(takeIn, 0);
      },
      onFailure,
    });
  }

  function close(): void {
    end?.();
    end = undefined;
  }

  function onFailure(failure: Failure): void {
    close();
    const first = failure.facts["firstSequence"];
    if (failure.code === "EVENTS_EXPIRED" && typeof first === "number") {
      change({ expiredBefore: first });
      heard = first - 1;
      if (builder.lastSequence === undefined) begin = heard;
      open();
      return;
    }
    change({ failure });
    window.setTimeout(() => {
      if (state.read().failure !== failure) return;
      change({ failure: undefined });
      open();
    }, retryMs);
  }

  /** A slice of what waits; the rest after a pause. */
  function takeIn(): void {
    const { list } = builder;
    const before = list.lines;
    const deadline = performance.now() + (document.hidden ? hiddenSliceMs : sliceMs);
    let taken = 0;
    while (taken < waiting.length && performance.now() < deadline) {
      const event = waiting[taken];
      taken += 1;
      if (event === undefined) continue;
      append(builder, event);
      onEvent(event);
    }
    waiting.splice(0, taken);
    const added = state.read().added + Math.max(0, list.lines - before);
    const isFull = limit(builder, mostLines, mostCharacters) || state.read().isFull;
    publish({ added, isFull });
    timer = waiting.length > 0 ? window.setTimeout(takeIn, pauseMs) : undefined;
    if (waiting.length === 0 && end === undefined && state.read().failure === undefined) open();
  }

  function publish(changes: Partial<StreamState>): void {
    const { list } = builder;
    const firstSequence = list.blocks[0]?.sequence;
    const { expiredBefore, isFull } = { ...state.read(), ...changes };
    // What came earlier is asked for when what the stream began with is there.
    const isThere = (builder.lastSequence ?? 0) >= lastSequence;
    const hasEarlier = isThere && begin > Math.max(0, (expiredBefore ?? 1) - 1) && !isFull;
    change({
      blocks: [...list.blocks],
      lines: list.lines,
      firstSequence,
      isCatchingUp: !isThere,
      isOver: isOver && waiting.length === 0,
      earlier: hasEarlier ? "more" : "none",
      ...changes,
    });
  }

  async function loadEarlier(): Promise<void> {
    if (state.read().earlier !== "more") return;
    change({ earlier: "loading", earlierFailure: undefined });
    const found = await readEarlier(id, begin);
    if (leaving.signal.aborted) return;
    begin = found.start;
    prepend(builder, found.events);
    publish({
      isFull: builder.list.lines >= mostLines || builder.list.characters >= mostCharacters,
      expiredBefore: found.expiredBefore ?? state.read().expiredBefore,
      earlierFailure: found.failure,
    });
  }

  function start(tell: typeof onEvent): () => void {
    leaving = new AbortController();
    onEvent = tell;
    open();
    return () => {
      leaving.abort();
      close();
      window.clearTimeout(timer);
      timer = undefined;
    };
  }

  return { state, loadEarlier, start };
}
