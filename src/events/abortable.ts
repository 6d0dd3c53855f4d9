/**
 * Makes a generator whose `return()` ends it at once, also while it waits: that of a plain async generator
 * takes effect only at its next event, and until then everything that it holds stays.
 */
export function abortable<T>(
  start: (signal: AbortSignal) => AsyncGenerator<T>,
  onEnd: () => void,
): AsyncGenerator<T> {
  const controller = new AbortController();
  const source = start(controller.signal);
  let ended = false;

  function end(): void {
    if (ended) return;
    ended = true;
    controller.abort();
    onEnd();
  }

  return {
    async next() {
      try {
        const result = await source.next();
        if (result.done === true) end();
        return result;
      } catch (error) {
        end();
        throw error;
      }
    },
    async return() {
      end();
      return source.return(undefined);
    },
    async throw(error) {
      end();
      return source.throw(error);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
    async [Symbol.asyncDispose]() {
      end();
      await source.return(undefined);
    },
  };
}
