/** One loop's alarm clock: sleeps until something happened, or for a while at most. */
export interface Wake {
  /** Ends the wait that runs, or else the next one at once. */
  readonly notify: () => void;
  /** Resolves at `notify`, after `milliseconds`, or when `signal` is aborted, whichever is first. */
  wait(milliseconds: number, signal?: AbortSignal): Promise<void>;
}

export function createWake(): Wake {
  let notified = false;
  let endWait: (() => void) | undefined;

  function sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const end = () => resolve(undefined);
    const timer = setTimeout(end, milliseconds);
    signal?.addEventListener("abort", end, { once: true });
    endWait = end;
    return promise.finally(() => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      endWait = undefined;
    });
  }

  return {
    notify() {
      notified = true;
      endWait?.();
    },
    async wait(milliseconds, signal) {
      if (!notified && signal?.aborted !== true) {
        await sleep(milliseconds, signal);
      }
      notified = false;
    },
  };
}
