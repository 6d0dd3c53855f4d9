// How fast what agents print is read, by one core: lines, secrets, protocol. Beside JSON.parse of the same lines.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { acp } from "../src/agents/acp/protocol.ts";
import { claudeStream } from "../src/agents/claude/stream.ts";
import { isObject, parseObject, type JsonObject } from "../src/agents/json.ts";
import type { Protocol, TalkState } from "../src/agents/talk.ts";
import { createWholeRedactor } from "../src/workers/redact.ts";
import { createLineReader } from "../src/workers/talk/lines.ts";
import { alternate } from "./alternate.ts";
import type { Finding } from "./finding.ts";
import type { World } from "./world.ts";

const captures = join(import.meta.dirname, "..", "test", "fixtures", "agents");
const corpusBytes = 4 * 1024 * 1024;
/** As large as the tail's. */
const chunkLength = 64 * 1024;
const secrets = ["a-secret-of-the-server", "another-secret-of-the-server"];

export async function benchParsing({ quick }: Pick<World, "quick">): Promise<Finding[]> {
  const turns = quick ? 10 : 50;
  return [
    await measure("claude's JSON stream, read", turns, claudeStream, await readHeadless()),
    await measure("Agent Client Protocol, read", turns, acp, await readAcp()),
  ];
}

/** What an agent's conversation begins with, and what it goes on with. */
interface Transcript {
  readonly opening: readonly string[];
  readonly going: readonly string[];
}

async function measure<State extends TalkState>(
  what: string,
  turns: number,
  protocol: Protocol<State>,
  { opening, going }: Transcript,
): Promise<Finding> {
  const corpus = repeat(going);
  const lines = corpus.split("\n").filter((line) => line !== "");
  const megabytes = Buffer.byteLength(corpus) / 1e6;
  const redact = createWholeRedactor(secrets);
  const begun = protocol.begin({
    prompt: "Add the greeting file and commit it.",
    worktree: "/srv/worktree",
    permissions: "ALLOW",
    mcpServers: [],
  });
  const ready = opening.reduce((state, line) => protocol.read(state, line).state, begun.state);

  function readAll(): number {
    const reader = createLineReader(0);
    let state = ready;
    let events = 0;
    for (let start = 0; start < corpus.length; start += chunkLength) {
      const text = corpus.slice(start, start + chunkLength);
      const newline = text.lastIndexOf("\n");
      const lastLineOffset = newline === -1 ? undefined : start + newline + 1;
      const endOffset = start + text.length;
      for (const line of reader.push({ text, endOffset, lastLineOffset, skippedBytes: 0 })) {
        const step = protocol.read(state, redact(line.text));
        state = step.state;
        events += step.events.length;
      }
    }
    return events;
  }

  function parseAll(): number {
    let objects = 0;
    for (const line of lines) if (isObject(JSON.parse(line))) objects += 1;
    return objects;
  }

  const rateOf = (read: () => number) => () => {
    const started = performance.now();
    if (read() === 0) throw new Error("nothing was read");
    return Promise.resolve(megabytes / ((performance.now() - started) / 1000));
  };
  return {
    what: `${what} (JSON.parse alone)`,
    unit: "MB/s",
    ...(await alternate({ turns }, rateOf(readAll), rateOf(parseAll))),
    target: { kind: "least", least: 100 },
  };
}

/** The same conversation over and over, each time with other ids, as a long one has them. */
function repeat(lines: readonly string[]): string {
  const text = lines.map((line) => `${line}\n`).join("");
  const times = Math.ceil(corpusBytes / Buffer.byteLength(text));
  return Array.from({ length: times }, (_, turn) =>
    text.replaceAll(/\b(toolu|msg)_[0-9a-f]{4}/g, `$1_${turn.toString(16).padStart(4, "0")}`),
  ).join("");
}

async function readHeadless(): Promise<Transcript> {
  const [init = "", ...rest] = await readLines("claude-headless.jsonl");
  // The last one ends the conversation.
  return { opening: [init], going: rest.slice(0, -1) };
}

/** Of what was written down, that which the agent said. */
async function readAcp(): Promise<Transcript> {
  const said = (await readLines("claude-acp.jsonl")).flatMap((line) => {
    const { t: _, dir, ...message }: JsonObject = parseObject(line) ?? {};
    return dir === "<" ? [{ jsonrpc: "2.0", ...message }] : [];
  });
  const isUpdate = (message: object) => "method" in message && !("id" in message);
  return {
    opening: said.map((message) => JSON.stringify(message)),
    going: said.filter(isUpdate).map((message) => JSON.stringify(message)),
  };
}

async function readLines(name: string): Promise<string[]> {
  const text = await readFile(join(captures, name), "utf8");
  return text.split("\n").filter((line) => line !== "");
}
