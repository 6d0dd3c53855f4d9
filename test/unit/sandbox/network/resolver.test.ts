import { expect, test } from "@jest/globals";
import { createResolver, limitResolver } from "../../../../src/sandbox/network/resolver.ts";

/** Answers when it is told to. */
function createSlow() {
  const asked: string[] = [];
  const answers = new Map<string, (addresses: string[]) => void>();
  return {
    asked,
    answer: (host: string) => answers.get(host)?.([host]),
    resolve: (host: string) => {
      asked.push(host);
      const { promise, resolve } = Promise.withResolvers<string[]>();
      answers.set(host, resolve);
      return promise;
    },
  };
}

const never = new AbortController().signal;

test("a name of this machine is found", async () => {
  const found = await createResolver()("localhost", never);
  expect(["127.0.0.1", "::1"]).toContain(found[0]);
});

test("so many names are looked up at a time, and the next when one has ended", async () => {
  const slow = createSlow();
  const resolve = limitResolver(slow.resolve, 2);
  const all = ["a", "b", "c"].map((host) => resolve(host, never));
  expect(slow.asked).toEqual(["a", "b"]);
  slow.answer("a");
  expect(await all[0]).toEqual(["a"]);
  slow.answer("b");
  await all[1];
  expect(slow.asked).toEqual(["a", "b", "c"]);
  slow.answer("c");
  expect(await all[2]).toEqual(["c"]);
});

test("one that is waited for no longer keeps its place until it ends, and one that waits gives its place up", async () => {
  const slow = createSlow();
  const resolve = limitResolver(slow.resolve, 1);
  const first = new AbortController();
  const second = new AbortController();
  const a = resolve("a", first.signal);
  const b = resolve("b", second.signal);
  const c = resolve("c", never);
  first.abort(new Error("no longer"));
  second.abort(new Error("no longer"));
  await expect(a).rejects.toThrow("no longer");
  await expect(b).rejects.toThrow("no longer");
  expect(slow.asked).toEqual(["a"]);
  slow.answer("a");
  slow.answer("a");
  await Promise.resolve();
  while (slow.asked.length < 2) await Promise.resolve();
  expect(slow.asked).toEqual(["a", "c"]);
  slow.answer("c");
  expect(await c).toEqual(["c"]);
});
