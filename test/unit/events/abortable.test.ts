import { describe, expect, jest, test } from "@jest/globals";
import { abortable } from "../../../src/events/abortable.ts";

/** Yields 1, then waits until it is aborted. */
async function* oneThenWait(signal: AbortSignal): AsyncGenerator<number> {
  yield 1;
  if (!signal.aborted) {
    await new Promise((resolve) => {
      signal.addEventListener("abort", resolve, { once: true });
    });
  }
}

describe("an abortable generator", () => {
  test("that waits is ended by return() at once", async () => {
    const onEnd = jest.fn();
    const source = abortable(oneThenWait, onEnd);
    expect(await source.next()).toEqual({ done: false, value: 1 });
    const waiting = source.next();
    await source.return(undefined);
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(onEnd).toHaveBeenCalledTimes(1);
    expect(await source.next()).toEqual({ done: true, value: undefined });
  });

  test("tells its end once, however it ends", async () => {
    const ends: [string, () => Promise<unknown>][] = [];
    const onEnd = jest.fn();
    const begin = (start: (signal: AbortSignal) => AsyncGenerator<number>) =>
      abortable(start, onEnd);
    async function* short() {
      yield 1;
    }
    async function* failing(): AsyncGenerator<number> {
      throw new Error("broken");
    }
    ends.push([
      "by itself",
      async () => {
        const seen = [];
        for await (const value of begin(short)) seen.push(value);
        expect(seen).toEqual([1]);
      },
    ]);
    ends.push([
      "by a failure of its own",
      () => expect(begin(failing).next()).rejects.toThrow("broken"),
    ]);
    ends.push([
      "by its consumer's failure",
      () => expect(begin(oneThenWait).throw(new Error("thrown in"))).rejects.toThrow("thrown in"),
    ]);
    ends.push([
      "by leaving its loop",
      async () => {
        for await (const value of begin(oneThenWait)) {
          expect(value).toBe(1);
          break;
        }
      },
    ]);
    ends.push([
      "by disposal",
      async () => {
        await using source = begin(oneThenWait);
        await source.next();
      },
    ]);
    ends.push([
      "twice",
      async () => {
        const source = begin(oneThenWait);
        await source.return(undefined);
        await source.return(undefined);
      },
    ]);
    for (const [how, end] of ends) {
      onEnd.mockClear();
      await end();
      expect([how, onEnd.mock.calls.length]).toEqual([how, 1]);
    }
  });
});
