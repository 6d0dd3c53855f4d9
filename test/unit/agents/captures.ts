// What was recorded of the real programs, fed to the readers line by line.
import { readFileSync } from "node:fs";
import path from "node:path";
import type { AgentEvent, Protocol, Step, TalkStart, TalkState } from "../../../src/agents/talk.ts";

const folder = path.join(import.meta.dirname, "../../fixtures/agents");

export function linesOf(name: string): string[] {
  const text = readFileSync(path.join(folder, `${name}.jsonl`), "utf8");
  return text.split("\n").filter((line) => line !== "");
}

export interface RpcLine {
  readonly id?: string | number;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
  readonly error?: Record<string, unknown>;
}

export interface Captured {
  readonly direction: ">" | "<";
  readonly message: RpcLine;
  /** As it stood on the wire. */
  readonly line: string;
}

/** A conversation over the Agent Client Protocol. */
export function conversationOf(name: string): Captured[] {
  return linesOf(name).map((captured) => {
    const {
      t: _,
      dir,
      ...message
    } = JSON.parse(captured) as RpcLine & { t: number; dir: ">" | "<" };
    return { direction: dir, message, line: JSON.stringify({ jsonrpc: "2.0", ...message }) };
  });
}

/** A talk under test, whose state goes through JSON between any two lines, as it does in the database. */
export class Talk {
  readonly events: AgentEvent[] = [];
  readonly sent: RpcLine[] = [];
  state: TalkState;
  readonly #protocol: Protocol;

  constructor(protocol: Protocol, start: Partial<TalkStart> = {}) {
    this.#protocol = protocol;
    const step = protocol.begin({
      prompt: "Do it.",
      worktree: "/w",
      permissions: "ALLOW",
      mcpServers: [],
      ...start,
    });
    this.state = step.state;
    this.#take(step);
  }

  read(line: string): this {
    return this.#take(this.#protocol.read(this.state, line));
  }

  readAll(lines: readonly string[]): this {
    for (const line of lines) this.read(line);
    return this;
  }

  say(message: unknown): this {
    return this.read(JSON.stringify({ jsonrpc: "2.0", ...(message as object) }));
  }

  ask(request: Parameters<Protocol["ask"]>[1]): this {
    return this.#take(this.#protocol.ask(this.state, request));
  }

  readError(text: string): this {
    this.state = this.#protocol.readError?.(this.state, text) ?? this.state;
    return this;
  }

  waitsFor(): string | undefined {
    return this.#protocol.waitsFor?.(this.state);
  }

  conclude(exitCode: number | null = 0, signal: string | null = null, errors = "") {
    return this.#protocol.conclude(this.state, { exitCode, signal, errors });
  }

  /** Each event in a few words. */
  get told(): string[] {
    return this.events.map(brief);
  }

  /** What was sent since this was asked last. */
  takeSent(): RpcLine[] {
    return this.sent.splice(0);
  }

  #take(step: Step<TalkState>): this {
    const stored: unknown = JSON.parse(JSON.stringify(step.state));
    const isSame = JSON.stringify(stored) === JSON.stringify(step.state);
    if (!isSame || Object.values(step.state).includes(undefined)) {
      throw new Error("the state doesn't survive JSON");
    }
    this.state = stored as TalkState;
    this.events.push(...step.events);
    for (const line of step.lines) {
      if (line.includes("\n")) throw new Error("a line that is two");
      this.sent.push(JSON.parse(line) as RpcLine);
    }
    return this;
  }
}

export function brief(event: AgentEvent): string {
  switch (event.type) {
    case "message":
      return `${event.payload.role}: ${event.payload.text}`;
    case "toolCall": {
      const { title, kind, toolCallStatus, content } = event.payload;
      return `tool ${toolCallStatus} ${kind ?? "-"} ${title}${content === null ? "" : ` => ${content}`}`;
    }
    case "usage": {
      const { inputTokens, outputTokens, costUsd } = event.payload;
      return `usage ${inputTokens}/${outputTokens} $${costUsd ?? "-"}`;
    }
    case "permission":
      return `permission ${event.payload.request.id} ${event.payload.request.title}: ${event.payload.request.answer ?? "?"}`;
    case "output":
      return `output ${event.payload.text}`;
  }
}
