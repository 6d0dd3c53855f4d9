// The reader against a real process that speaks by the SDK's agent side.
import { execFileSync, spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { acp } from "../../../../src/agents/acp/protocol.ts";
import type { TalkStart, TalkState } from "../../../../src/agents/talk.ts";
import { Talk } from "../captures.ts";

const program = path.join(import.meta.dirname, "../../../support/acp-agent.ts");

let folder: string;
const children: ChildProcessWithoutNullStreams[] = [];

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "factory-acp-"));
  execFileSync("git", ["init", "-q", folder]);
});

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  rmSync(folder, { recursive: true });
});

/** Starts the agent and speaks with it until the condition holds, or it has ended. */
class Conversation {
  readonly talk: Talk;
  readonly child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;

  constructor(start: Partial<TalkStart>, args: string[] = []) {
    this.child = spawn(process.execPath, [program, ...args], {
      cwd: folder,
      env: {
        PATH: process.env["PATH"],
        HOME: folder,
        ACP_AGENT_FOLDER: path.join(folder, ".git", "agent"),
        GIT_AUTHOR_NAME: "a",
        GIT_AUTHOR_EMAIL: "a@example.com",
        GIT_COMMITTER_NAME: "a",
        GIT_COMMITTER_EMAIL: "a@example.com",
      },
    });
    children.push(this.child);
    this.#lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
    this.talk = new Talk(acp, { worktree: folder, ...start });
    this.send();
  }

  send(): void {
    for (const message of this.talk.takeSent()) {
      this.child.stdin.write(`${JSON.stringify(message)}\n`);
    }
  }

  async until(holds: (state: TalkState, told: string[]) => boolean): Promise<this> {
    while (!holds(this.talk.state, this.talk.told)) {
      const line = await this.#lines.next();
      if (line.done === true) break;
      this.talk.read(line.value);
      this.send();
    }
    return this;
  }

  untilIdle(): Promise<this> {
    return this.until((state) => state.phase === "idle");
  }

  ask(request: Parameters<Talk["ask"]>[0]): this {
    this.talk.ask(request);
    this.send();
    return this;
  }
}

function begin(prompt: string, start: Partial<TalkStart> = {}, args?: string[]): Conversation {
  return new Conversation({ prompt, ...start }, args);
}

describe("a conversation with an agent", () => {
  test("tells what it says, thinks and does, in order, and what it used", async () => {
    const { talk } = await begin(
      "Please:\ndo: think about it\ndo: plan first | second\ndo: commit a.txt\ndo: say Done.\ndo: usage 100 20 0.01",
    ).untilIdle();

    expect(talk.told).toEqual([
      "THOUGHT: about it",
      "tool RUNNING plan Plan => - [~] first\n- [ ] second",
      "tool RUNNING execute commit a.txt",
      expect.stringMatching(/^tool COMPLETED execute commit a.txt => \[.* Add a.txt/),
      "AGENT: Done.",
      "usage 0/0 $0.01",
      "usage 100/20 $0.01",
    ]);
    expect(talk.state).toMatchObject({ phase: "idle", lastMessage: "Done.", turns: 2 });
    expect(talk.state.verdict?.succeeded).toBe(true);
    expect(readFileSync(path.join(folder, "a.txt"), "utf8")).toBe("a.txt\n");
    expect(execFileSync("git", ["-C", folder, "log", "--format=%s"], { encoding: "utf8" })).toBe(
      "Add a.txt\n",
    );
  });

  test("waits for an answer where somebody must give it, and passes it on", async () => {
    const conversation = begin("do: ask rm -rf x", { permissions: "ASK" });
    await conversation.until((_, told) => told.some((event) => event.startsWith("permission")));
    const request = conversation.talk.events.find((event) => event.type === "permission");
    if (request === undefined) throw new Error("no permission");
    conversation.ask({ kind: "answer", requestId: request.payload.request.id, optionId: "always" });
    await conversation.untilIdle();

    expect(conversation.talk.told.slice(1)).toEqual([
      expect.stringMatching(/^permission .* rm -rf x: always$/),
      "AGENT: answered: always",
    ]);
  });

  test("stops the turn that is interrupted, and takes another one", async () => {
    const conversation = begin("do: say working\ndo: wait-cancel");
    await conversation.until((_, told) => told.includes("AGENT: working"));
    await conversation.ask({ kind: "interrupt" }).ask({ kind: "interrupt" }).untilIdle();

    expect(conversation.talk.state.verdict).toMatchObject({
      succeeded: false,
      reason: "the turn was cancelled",
    });

    await conversation.ask({ kind: "message", text: "do: say again" }).untilIdle();

    expect(conversation.talk.state.verdict?.succeeded).toBe(true);
    expect(conversation.talk.state.lastMessage).toBe("again");
  });

  test("goes on with a conversation whose process has ended", async () => {
    const first = await begin("do: say I am one").untilIdle();
    first.child.kill("SIGKILL");
    const resume = {
      conversationId: first.talk.state.conversationId!,
      promptIfNew: "do: say I know nothing",
    };
    const { talk } = await begin("do: history", { resume }).untilIdle();

    expect(talk.told).toEqual([expect.stringMatching(/^AGENT: history: .*do: say I am one/)]);
  });

  test("tells an agent that can't go on with it what it was about", async () => {
    const resume = { conversationId: "gone", promptIfNew: "do: say I know nothing" };
    const unknown = await begin("do: history", { resume }).untilIdle();
    const unable = await begin("do: history", { resume }, ["--no-load"]).untilIdle();

    const told = ["USER: do: say I know nothing", "AGENT: I know nothing"];
    expect(unknown.talk.told).toEqual(told);
    expect(unable.talk.told).toEqual(told);
    expect(unknown.talk.state.conversationId).not.toBe("gone");
  });

  test("offers it the MCP servers, and forgets them", async () => {
    const { talk } = await begin("do: mcp", {
      mcpServers: [
        { name: "factory", url: "http://x/mcp", headers: { Authorization: "Bearer y" } },
      ],
    }).untilIdle();

    expect(talk.state.lastMessage).toContain('"value":"Bearer y"');
    expect(JSON.stringify({ ...talk.state, lastMessage: null })).not.toContain("Bearer");
  });

  test("keeps what it doesn't know as output, and refuses what it doesn't offer", async () => {
    const { talk } = await begin("do: unknown\ndo: garbage\ndo: say end").untilIdle();

    expect(talk.told.map((event) => event.slice(0, 45))).toEqual([
      expect.stringContaining('output {"jsonrpc":"2.0","method":"session/upd'),
      expect.stringContaining('output {"jsonrpc":"2.0","method":"_example/no'),
      expect.stringContaining('output {"jsonrpc":"2.0","id":0,"method":"fs/r'),
      "AGENT: fs/read_text_file: -32601",
      "output this is no JSON\n",
      expect.stringContaining('output {"jsonrpc":"2.0","id":99999'),
      'output {"jsonrpc":"2.0"}\n',
      "output [1,2,3]\n",
      'output {"half":\n',
      "AGENT: end",
    ]);
    expect(talk.state.verdict?.succeeded).toBe(true);
  });

  test("takes a prompt of a megabyte", async () => {
    const { talk } = await begin(`${"x".repeat(1_000_000)}\ndo: say read it`).untilIdle();

    expect(talk.told).toEqual(["AGENT: read it"]);
  });

  test.each([
    ["do: fail 401", "the model's server refused the agent's key or login: check it"],
    ["do: fail 500", "the agent failed: API Error: 500"],
    ["do: stop refusal", "the model refused to go on"],
    ["do: stop max_tokens", "the model's limit of tokens was reached"],
    ["do: exit 3", "the agent ended (exit code 3) before its turn did"],
  ])("says why it failed: %s", async (prompt, reason) => {
    const { talk, child } = await begin(prompt).untilIdle();

    expect(talk.conclude(child.exitCode ?? 3)).toMatchObject({
      succeeded: false,
      reason: expect.stringContaining(reason),
    });
  });

  test("ends with one that speaks another version", async () => {
    const { talk } = await begin("x", {}, ["--protocol-version", "7"]).until(
      (state) => state.phase === "ended",
    );

    expect(talk.conclude().reason).toContain("speaks version 7 of the Agent Client Protocol");
  });
});

test("the scripted agent waits for a file", async () => {
  const file = path.join(folder, "go");
  const conversation = begin(`do: say waiting\ndo: wait-file ${file}\ndo: say went on`);
  await conversation.until((_, told) => told.includes("AGENT: waiting"));
  writeFileSync(file, "");

  expect((await conversation.untilIdle()).talk.state.lastMessage).toBe("went on");
});
