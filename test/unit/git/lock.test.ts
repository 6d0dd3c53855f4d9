import { describe, expect, test } from "@jest/globals";
import { createGate, createKeyedMutex } from "../../../src/git/lock.ts";

describe("a keyed mutex", () => {
  test("runs one at a time of each key, in order, and different keys at once", async () => {
    const mutex = createKeyedMutex({ timeoutMs: 5_000 });
    const log: string[] = [];
    const first = Promise.withResolvers<undefined>();
    const run = (key: string, title: string, until?: Promise<unknown>) =>
      mutex.run(key, async () => {
        log.push(`${title} begins`);
        await until;
        log.push(`${title} ends`);
      });
    const all = [run("a", "1", first.promise), run("a", "2"), run("a", "3"), run("b", "4")];
    await all[3];
    first.resolve(undefined);
    await Promise.all(all);
    expect(log).toEqual([
      ...["1 begins", "4 begins", "4 ends", "1 ends"],
      ...["2 begins", "2 ends", "3 begins", "3 ends"],
    ]);
  });

  test("lets the next one in after a failure", async () => {
    const mutex = createKeyedMutex({ timeoutMs: 5_000 });
    const failing = mutex.run("a", () => Promise.reject(new Error("bad")));
    const next = mutex.run("a", () => Promise.resolve(2));
    await expect(failing).rejects.toThrow("bad");
    expect(await next).toBe(2);
  });

  test("ends a wait when it is aborted or lasts too long, and leaves the others in line", async () => {
    const mutex = createKeyedMutex({ timeoutMs: 50 });
    const held = Promise.withResolvers<undefined>();
    const holder = mutex.run("a", () => held.promise);
    const abort = new AbortController();
    const leaving = mutex.run("a", () => Promise.resolve(), abort.signal);
    const late = mutex.run("a", () => Promise.resolve());
    abort.abort(new Error("gone"));
    await expect(leaving).rejects.toThrow("gone");
    await expect(late).rejects.toMatchObject({ code: "SERVICE_UNAVAILABLE" });
    held.resolve(undefined);
    await holder;
    expect(await mutex.run("a", () => Promise.resolve("free"))).toBe("free");
  });
});

test("a gate lets in as many as it has places", async () => {
  const gate = createGate(3, 5_000);
  let inside = 0;
  let most = 0;
  await Promise.all(
    Array.from({ length: 20 }, () =>
      gate.run(async () => {
        inside += 1;
        most = Math.max(most, inside);
        await Promise.resolve();
        inside -= 1;
      }),
    ),
  );
  expect(most).toBe(3);
  expect(gate.idle()).toBe(true);
});

test("a share that is used up holds up nobody but those who share it", async () => {
  const gate = createGate(4, 5_000);
  const held = Promise.withResolvers<undefined>();
  const log: string[] = [];
  const run = (key: string, title: string, until?: Promise<unknown>) =>
    gate.run(
      async () => {
        log.push(title);
        await until;
      },
      { shares: [{ key, most: 2 }] },
    );
  const stuck = ["a1", "a2", "a3", "a4"].map((title) => run("a", title, held.promise));
  await Promise.all([run("b", "b1"), run("b", "b2"), run("b", "b3")]);
  expect(log).toEqual(["a1", "a2", "b1", "b2", "b3"]);
  const impatient = gate.run(() => Promise.resolve(), {
    shares: [{ key: "a", most: 2 }],
    maxWaitMs: 1,
  });
  await expect(impatient).rejects.toMatchObject({ code: "SERVICE_UNAVAILABLE" });
  held.resolve(undefined);
  await Promise.all(stuck);
  expect(log.slice(5)).toEqual(["a3", "a4"]);
  expect(gate.idle()).toBe(true);
});
