/**
 * Each value mapped. Not as a generator of its own, whose `return()` would wait for the source's next value before
 * it ends the source.
 */
export function mapGenerator<From, To>(
  source: AsyncGenerator<From>,
  map: (value: From) => To,
  mapError: (error: unknown) => unknown = (error) => error,
): AsyncGenerator<To> {
  async function mapped(next: Promise<IteratorResult<From>>): Promise<IteratorResult<To>> {
    try {
      const result = await next;
      if (result.done === true) return { done: true, value: undefined };
      return { done: false, value: map(result.value) };
    } catch (error) {
      throw mapError(error);
    }
  }
  return {
    next: () => mapped(source.next()),
    return: () => mapped(source.return(undefined)),
    throw: (error) => mapped(source.throw(error)),
    [Symbol.asyncIterator]() {
      return this;
    },
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
  };
}
