import { execFileSync } from "node:child_process";
import { appendFile, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { describe, expect, test } from "@jest/globals";
import { sessionPaths } from "../../../src/process/session-folder.ts";
import type { OutputChannel, OutputOffsets, TailOptions } from "../../../src/process/tail.ts";
import { tailOutput } from "../../../src/process/tail.ts";
import { eventually, exitOf, useSessions, say } from "./sessions.ts";

const sessions = useSessions();
const beginning: OutputOffsets = { stdout: 0, stderr: 0 };

interface Chunk {
  readonly channel: OutputChannel;
  readonly text: string;
  readonly endOffset: number;
  readonly skippedBytes: number;
}

/** Follows a folder and keeps what comes. */
function collect(folder: string, options: Partial<TailOptions> = {}) {
  const chunks: Chunk[] = [];
  const tail = tailOutput({
    folder,
    offsets: beginning,
    signal: AbortSignal.timeout(20_000),
    onChunk: async (channel, { text, endOffset, skippedBytes }) => {
      chunks.push({ channel, text, endOffset, skippedBytes });
    },
    ...options,
  });
  const textOf = (channel: OutputChannel) =>
    chunks
      .filter((chunk) => chunk.channel === channel)
      .map((chunk) => chunk.text)
      .join("");
  return { ...tail, chunks, textOf };
}

describe("following", () => {
  test("a worker's output arrives while it runs, and all of it by its end", async () => {
    const folder = await sessions.createFolder({ hasInput: true });
    const session = await sessions.runScript(
      "echo early; read -r line; echo late; echo wrong >&2; printf 'no newline'",
      { folder },
    );
    const tail = collect(folder);
    await eventually(() => tail.textOf("stdout") === "early\n");
    await say(folder, "go on\n");
    await exitOf(session);
    expect(await tail.finish()).toEqual({ stdout: 21, stderr: 6 });
    expect(tail.textOf("stdout")).toBe("early\nlate\nno newline");
    expect(tail.textOf("stderr")).toBe("wrong\n");
  });

  test("it goes on at the stored offsets", async () => {
    const session = await sessions.runScript("printf 'aä|b'; printf 'xyz' >&2");
    await exitOf(session);
    const tail = collect(session.folder, { offsets: { stdout: 4, stderr: 1 } });
    expect(await tail.finish()).toEqual({ stdout: 5, stderr: 3 });
    expect(tail.chunks.map(({ channel, text }) => [channel, text])).toEqual(
      expect.arrayContaining([
        ["stdout", "b"],
        ["stderr", "yz"],
      ]),
    );
  });

  test("the stream that was written to before comes before", async () => {
    for (const [first, second] of [
      ["stdout", "stderr"],
      ["stderr", "stdout"],
    ] as const) {
      const folder = await sessions.createFolder();
      const paths = sessionPaths(folder);
      // touch -d sets the time of the last write apart, which two quick writes may share.
      await writeFile(paths[first], "1");
      await writeFile(paths[second], "2");
      execFileSync("touch", ["-d", "2001-01-01", paths[first]]);
      const tail = collect(folder);
      await tail.finish();
      expect(tail.chunks.map((chunk) => chunk.channel)).toEqual([first, second]);
    }
  });

  test("small writes become few chunks", async () => {
    const session = await sessions.runScript("for ((i = 0; i < 20000; i++)); do echo $i; done");
    const tail = collect(session.folder);
    await exitOf(session);
    await tail.finish();
    expect(tail.textOf("stdout").split("\n")).toHaveLength(20_001);
    expect(tail.chunks.length).toBeLessThan(200);
  });

  test("an output that goes on after the worker's end isn't waited for", async () => {
    const session = await sessions.runScript("(while :; do echo more; done) & sleep 0.1; exit 0");
    await exitOf(session);
    const tail = collect(session.folder);
    const { stdout } = await tail.finish();
    expect(stdout).toBeGreaterThan(0);
  });

  test("aborting ends it at once, also in the middle of a wait", async () => {
    const folder = await sessions.createFolder();
    await appendFile(sessionPaths(folder).stdout, "abc");
    const stop = new AbortController();
    const tail = collect(folder, { signal: stop.signal });
    await eventually(() => tail.textOf("stdout") === "abc");
    stop.abort();
    expect(await tail.done).toEqual({ stdout: 3, stderr: 0 });
  });
});

describe("characters", () => {
  test("one that is written in two halves arrives whole", async () => {
    const folder = await sessions.createFolder();
    const { stdout } = sessionPaths(folder);
    const tail = collect(folder);
    const euro = Buffer.from("€");
    await appendFile(stdout, Buffer.concat([Buffer.from("a"), euro.subarray(0, 1)]));
    await eventually(() => tail.chunks.length === 1);
    await appendFile(stdout, euro.subarray(1));
    await eventually(() => tail.chunks.length === 2);
    await tail.finish();
    expect(tail.chunks).toEqual([
      { channel: "stdout", text: "a", endOffset: 1, skippedBytes: 0 },
      { channel: "stdout", text: "€", endOffset: 4, skippedBytes: 0 },
    ]);
  });

  test("one across the border of a chunk arrives whole, and every offset can be resumed at", async () => {
    const folder = await sessions.createFolder();
    const content = `a${"😀".repeat(50_000)}`;
    await appendFile(sessionPaths(folder).stdout, content);
    const tail = collect(folder);
    await tail.finish();
    expect(tail.textOf("stdout")).toBe(content);
    expect(tail.chunks.length).toBeGreaterThan(2);
    const { endOffset } = tail.chunks[0]!;
    const resumed = collect(folder, { offsets: { stdout: endOffset, stderr: 0 } });
    await resumed.finish();
    expect(tail.chunks[0]!.text + resumed.textOf("stdout")).toBe(content);
  });

  test("invalid bytes across the border of a chunk, a NUL and an unfinished end become U+FFFD", async () => {
    const folder = await sessions.createFolder();
    const filler = "x".repeat(64 * 1024 - 1);
    await appendFile(
      sessionPaths(folder).stdout,
      Buffer.concat([
        Buffer.from(filler),
        Buffer.from([0xff, 0xfe, 0x00, 0xe2, 0x82]), // the last two begin a euro sign
      ]),
    );
    const tail = collect(folder);
    expect(await tail.finish()).toEqual({ stdout: filler.length + 5, stderr: 0 });
    expect(tail.textOf("stdout")).toBe(`${filler}\uFFFD\uFFFD\uFFFD\uFFFD`);
  });
});

describe("a difficult worker or reader", () => {
  test("a file that was emptied is read from its beginning", async () => {
    const folder = await sessions.createFolder();
    const { stdout } = sessionPaths(folder);
    await appendFile(stdout, "first content");
    const tail = collect(folder);
    await eventually(() => tail.chunks.length === 1);
    await truncate(stdout);
    await appendFile(stdout, "second");
    await eventually(() => tail.chunks.length === 2);
    expect(tail.chunks[1]).toMatchObject({ channel: "stdout", text: "second", endOffset: 6 });
    await tail.finish();
  });

  test("nothing is read while a chunk is being taken", async () => {
    const folder = await sessions.createFolder();
    await appendFile(sessionPaths(folder).stdout, "x".repeat(300_000));
    let inside = 0;
    let most = 0;
    const { promise: released, resolve: release } = Promise.withResolvers<undefined>();
    const tail = collect(folder, {
      onChunk: async (_channel, { text }) => {
        inside += 1;
        most = Math.max(most, inside);
        expect(text.length).toBeLessThanOrEqual(64 * 1024);
        await released;
        inside -= 1;
      },
    });
    await eventually(() => inside === 1);
    release(undefined);
    await tail.finish();
    expect(most).toBe(1);
  });

  test("what a chunk's taker throws ends the tail, at the latest at finish", async () => {
    const folder = await sessions.createFolder();
    await appendFile(sessionPaths(folder).stdout, "x");
    let calls = 0;
    const tail = collect(folder, {
      onChunk: async () => {
        calls += 1;
        throw new Error("no database");
      },
    });
    await eventually(() => calls === 1);
    await expect(tail.finish()).rejects.toThrow("no database");
    expect(calls).toBe(1);
  });

  test("output that was replaced by a FIFO is refused, and not waited for", async () => {
    const folder = await sessions.createFolder();
    const { stdout } = sessionPaths(folder);
    await rm(stdout);
    execFileSync("mkfifo", [stdout]);
    await expect(collect(folder).done).rejects.toMatchObject({ code: "HOST_FAILURE" });
  });

  test("a hole of a terabyte is left out, and what stands behind it is not", async () => {
    const session = await sessions.runScript(
      "echo before; truncate -s 1T /proc/self/fd/1; echo behind; truncate -s 1T /proc/self/fd/2",
    );
    await exitOf(session);
    const tail = collect(session.folder);
    const { stdout } = await tail.finish();
    expect(stdout).toBe(2 ** 40 + "behind\n".length);
    expect(tail.textOf("stdout")).toMatch(/^before\n.*behind\n$/s);
    expect(tail.textOf("stdout").length).toBeLessThan(200_000);
  });

  test("what can't be read in time after the worker's end is left out, but for its last part", async () => {
    const session = await sessions.runScript(
      "echo first; head -c 30000000 /dev/zero | tr '\\0' x; echo last",
    );
    await exitOf(session);
    const tail = collect(session.folder, {
      finishWithinMs: 100,
      onChunk: async (channel, chunk) => {
        tail.chunks.push({ channel, ...chunk });
        await setTimeout(5);
      },
    });
    expect((await tail.finish()).stdout).toBe(30_000_011);
    const skipped = tail.chunks.reduce((sum, { skippedBytes }) => sum + skippedBytes, 0);
    expect(skipped).toBeGreaterThan(0);
    expect(tail.textOf("stdout")).toMatch(/^first\nx+last\n$/);
    expect(tail.textOf("stdout")).toHaveLength(30_000_011 - skipped);
  });

  test("what nobody keeps is not read", async () => {
    const folder = await sessions.createFolder();
    await appendFile(sessionPaths(folder).stdout, "x".repeat(300_000));
    const tail = collect(folder, { isFull: () => tail.chunks.length > 0 });
    expect(await tail.finish()).toEqual({ stdout: 300_000, stderr: 0 });
    expect(tail.chunks).toHaveLength(1);
  });

  test("a folder that was replaced by a link to another one is refused", async () => {
    const victim = await sessions.createFolder();
    const folder = await sessions.createFolder();
    await appendFile(sessionPaths(victim).stdout, "somebody's");
    await rm(folder, { recursive: true });
    await symlink(victim, folder);
    const tail = collect(folder);
    await expect(tail.done).rejects.toMatchObject({ code: "HOST_FAILURE" });
    expect(tail.chunks).toEqual([]);
  });

  test("200 MB go through in bounded memory", async () => {
    const session = await sessions.runScript("head -c 200000000 /dev/zero | tr '\\0' x");
    let bytes = 0;
    let highest = 0;
    const before = process.memoryUsage.rss();
    const tail = collect(session.folder, {
      onChunk: async (_channel, { text }) => {
        bytes += text.length;
        highest = Math.max(highest, process.memoryUsage.rss() - before);
      },
    });
    await exitOf(session);
    await tail.finish();
    expect(bytes).toBe(200_000_000);
    expect(highest).toBeLessThan(80_000_000);
  });
});
