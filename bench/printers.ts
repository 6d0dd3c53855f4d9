// Programs that print lines with the time at which they print them, cheap enough to run by the hundred.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

export const linesPerSecond = 20;

export interface Printer {
  readonly script: string;
  /** All that run the script begin to print. */
  go(): Promise<void>;
  /** They end. */
  stop(): Promise<void>;
}

/** Lines to be printed in turn: formats of printf for a number, and then the time. */
export type Formats = readonly [string, ...string[]];

export const formats = {
  plain: ["line %s %s\n"],
  messages: [
    '{"type":"assistant","message":{"id":"msg_%s","type":"message","role":"assistant","model":"bench","content":[{"type":"text","text":"at %s\\\\n"}],"stop_reason":null,"usage":{"input_tokens":120,"output_tokens":1}},"parent_tool_use_id":null,"session_id":"ea56c964-30e5-42f5-9d21-b4e9c9720694"}\n',
  ],
  chunks: [
    '{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"bench","update":{"sessionUpdate":"agent_message_chunk","messageId":"msg_%s","content":{"type":"text","text":"at %s\\\\n"}}}}\n',
  ],
  /** Each is an event of its own, while messages that come at once are one. */
  toolCalls: [
    '{"type":"assistant","message":{"id":"msg_1","type":"message","role":"assistant","model":"bench","content":[{"type":"tool_use","id":"toolu_%s","name":"Bash","input":{"command":"echo %s"}}],"stop_reason":null},"parent_tool_use_id":null,"session_id":"ea56c964-30e5-42f5-9d21-b4e9c9720694"}\n',
    '{"type":"user","message":{"role":"user","content":[{"tool_use_id":"toolu_%s","type":"tool_result","content":"%s, and what else the tool has to tell of it","is_error":false}]},"parent_tool_use_id":null,"session_id":"ea56c964-30e5-42f5-9d21-b4e9c9720694"}\n',
  ],
} as const satisfies Readonly<Record<string, Formats>>;

export interface Talk {
  /** What bash does before it prints, and at its end. */
  readonly before: string;
  readonly after: string;
}

/** The least that an agent says to be spoken to over the Agent Client Protocol: one turn, and no questions. */
export const acpTalk: Talk = {
  before: `answer() { read -r && printf '{"jsonrpc":"2.0","id":%s,"result":%s}\\n' "$1" "$2"; }
answer 0 '{"protocolVersion":1,"agentInfo":{"name":"bench","version":"1"}}'
answer 1 '{"sessionId":"bench"}'
read -r`,
  after: `printf '{"jsonrpc":"2.0","id":2,"result":{"stopReason":"end_turn"}}\\n'`,
};

/** In bash, whose builtins wait and tell the time without starting a process. */
export async function writePrinter(
  folder: string,
  name: string,
  lines: Formats,
  { before, after }: Talk = { before: "", after: ":" },
): Promise<Printer> {
  const script = join(folder, `${name}.sh`);
  const gate = join(folder, `${name}.go`);
  const end = join(folder, `${name}.stop`);
  await Promise.all([rm(gate, { force: true }), rm(end, { force: true })]);
  await writeFile(
    script,
    // Nothing ever comes by that pipe. All ends by itself soon, in case that the bench is killed.
    `exec 3<> <(:)
pause() { read -rt 0.0495 -u 3; }
finish() { ${after}; exit 0; }
${before}
formats=(${lines.map(quote).join(" ")})
until [[ -e ${quote(gate)} || -e ${quote(end)} || $SECONDS -gt 180 ]]; do pause; done
for ((n = 0; ; n++)); do
  [[ -e ${quote(end)} || $SECONDS -gt 240 ]] && finish
  printf "\${formats[n % ${String(lines.length)}]}" "$((n / ${String(lines.length)}))" "$EPOCHREALTIME"
  pause
done
`,
  );
  return {
    script,
    go: () => writeFile(gate, ""),
    stop: () => writeFile(end, ""),
  };
}

function quote(text: string): string {
  return `$'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'").replaceAll("\n", "\\n")}'`;
}

/** How old, in ms, what stands in the text is when it is read now. */
export function agesIn(text: string): number[] {
  const now = performance.timeOrigin + performance.now();
  return [...text.matchAll(/\b\d{10}\.\d{6}\b/g)].map(([at]) => now - Number(at) * 1000);
}

/** The least: each printer's file is read by this process, as often as a server's batches end. */
export async function readPlainly(
  folder: string,
  printer: Printer,
  { count, batchMs, warmMs, measuredMs }: PlainReading,
): Promise<number[]> {
  const ages: number[] = [];
  const children: ChildProcess[] = [];
  const files: number[] = [];
  const timers: NodeJS.Timeout[] = [];
  let isCounting = false;
  try {
    for (let number = 0; number < count; number += 1) {
      const path = join(folder, `plain-${String(number)}`);
      const written = openSync(path, "w");
      children.push(spawn("bash", [printer.script], { stdio: ["ignore", written, "ignore"] }));
      closeSync(written);
      const file = openSync(path, "r");
      files.push(file);
      const buffer = Buffer.alloc(64 * 1024);
      timers.push(
        setInterval(() => {
          const length = readSync(file, buffer);
          const found = agesIn(buffer.toString("utf8", 0, length));
          if (isCounting) ages.push(...found);
        }, batchMs),
      );
      // So that the files aren't all read at once.
      await delay(batchMs / count);
    }
    await printer.go();
    await delay(warmMs);
    isCounting = true;
    await delay(measuredMs);
    return ages;
  } finally {
    timers.forEach((timer) => {
      clearInterval(timer);
    });
    const ended = children.map(async (child) => {
      if (child.exitCode === null) await once(child, "exit");
    });
    await printer.stop();
    await Promise.all(ended);
    files.forEach(closeSync);
  }
}

export interface PlainReading {
  readonly count: number;
  readonly batchMs: number;
  readonly warmMs: number;
  readonly measuredMs: number;
}
