// A scripted agent that speaks the Agent Client Protocol, as a program of its own:
//
//   node test/support/acp-agent.ts [--silent] [--silent-once FILE] [--protocol-version N] [--no-load]
//
// What it does in a turn is said by lines of the prompt that begin with "do: "; all other lines, such as
// what Factory says around a task, count for nothing. Without any it says "Nothing to do.".
//
//   do: say TEXT              do: think TEXT            do: say-parts TEXT (a chunk for each word)
//   do: tool KIND TITLE       do: plan ONE | TWO        do: usage INPUT OUTPUT COST (of this turn)
//   do: begin-tool TITLE      a tool that goes on running
//   do: ask TITLE             asks for permission, and says what was answered
//   do: ask-path PATH TITLE   the same, for a place
//   do: ask-call JSON         the same, for a tool call with these fields
//   do: commit FILE           writes and commits it in the session's folder
//   do: wait-cancel           works until session/cancel
//   do: wait-file PATH        works until that file is there (or session/cancel)
//   do: history               says what it was told before, also before its process started
//   do: mcp                   says which MCP servers it was given
//   do: mode                  says which mode was set
//   do: unknown               sends updates, notifications and requests that nobody knows
//   do: garbage               prints lines that are no JSON-RPC, and a response that nobody asked for
//   do: long N                says N characters in one line
//   do: nothing               neither says nor does anything
//   do: retry N/M             says as codex does that it asks the model again, and a line that is no JSON-RPC
//   do: cost N                tells that cost, in US dollars
//   do: flood N               tells of N tool calls at once
//   do: errors TEXT           prints it on standard error
//   do: error JSON            the turn ends with that error
//   do: stop REASON           ends the turn with another stopReason
//   do: fail 401 | 500        the turn ends with an error
//   do: exit CODE             the process ends in mid-turn
//
// Conversations are kept in ACP_AGENT_FOLDER, else in $HOME/.acp-agent, and can be loaded.
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, watch, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { Readable, Writable } from "node:stream";
import { parseArgs } from "node:util";
import {
  agent,
  ndJsonStream,
  PROTOCOL_VERSION,
  RequestError,
  type AgentContext,
  type McpServer,
  type PromptResponse,
  type RequestPermissionRequest,
  type SessionUpdate,
  type StopReason,
  type ToolKind,
} from "@agentclientprotocol/sdk/unstable";

const { values: options } = parseArgs({
  options: {
    silent: { type: "boolean", default: false },
    "silent-once": { type: "string" },
    "no-load": { type: "boolean", default: false },
    "protocol-version": { type: "string", default: String(PROTOCOL_VERSION) },
  },
});

interface Session {
  readonly id: string;
  readonly cwd: string;
  readonly mcpServers: readonly McpServer[];
  readonly history: { role: "user" | "agent"; text: string }[];
  mode: string;
  toolCalls: number;
  /** Of all turns of this process. */
  costUsd: number;
  cancel: AbortController;
}

interface Turn {
  readonly session: Session;
  readonly client: AgentContext;
  usage: PromptResponse["usage"];
}

const sessions = new Map<string, Session>();

const folder = process.env["ACP_AGENT_FOLDER"] ?? path.join(homedir(), ".acp-agent");
mkdirSync(folder, { recursive: true });

function fileOf(id: string): string {
  return path.join(folder, `${path.basename(id)}.json`);
}

function keep(session: Session): void {
  writeFileSync(fileOf(session.id), JSON.stringify(session.history));
}

function open(id: string, given: Pick<Session, "cwd" | "mcpServers" | "history">): Session {
  const session = { id, mode: "careful", toolCalls: 0, costUsd: 0, cancel: new AbortController() };
  const whole = { ...session, ...given };
  sessions.set(id, whole);
  return whole;
}

function find(id: string): Session {
  const session = sessions.get(id);
  if (session === undefined) throw new RequestError(-32002, `no session ${id}`);
  return session;
}

function tell({ session, client }: Turn, update: SessionUpdate): Promise<void> {
  return client.notify("session/update", { sessionId: session.id, update });
}

async function say(turn: Turn, text: string, messageId: string = randomUUID()): Promise<void> {
  turn.session.history.push({ role: "agent", text });
  const content = { type: "text", text } as const;
  await tell(turn, { sessionUpdate: "agent_message_chunk", content, messageId });
}

async function sayParts(turn: Turn, words: readonly string[]): Promise<void> {
  const messageId = randomUUID();
  for (const word of words) await say(turn, `${word} `, messageId);
}

async function useTool(turn: Turn, kind: string, title: string, act: () => string): Promise<void> {
  turn.session.toolCalls += 1;
  const toolCallId = `call-${String(turn.session.toolCalls)}`;
  await tell(turn, {
    sessionUpdate: "tool_call",
    toolCallId,
    title,
    kind: kind as ToolKind,
    status: "in_progress",
  });
  const text = act();
  await tell(turn, {
    sessionUpdate: "tool_call_update",
    toolCallId,
    status: "completed",
    content: [{ type: "content", content: { type: "text", text } }],
  });
}

async function askLeave(
  turn: Turn,
  title: string,
  more: Partial<RequestPermissionRequest["toolCall"]> = {},
): Promise<void> {
  turn.session.toolCalls += 1;
  const toolCallId = `call-${String(turn.session.toolCalls)}`;
  const request: RequestPermissionRequest = {
    sessionId: turn.session.id,
    toolCall: { toolCallId, title, kind: "execute", status: "pending", locations: [], ...more },
    options: [
      { optionId: "yes", name: "Yes", kind: "allow_once" },
      { optionId: "always", name: "Yes, always", kind: "allow_always" },
      { optionId: "no", name: "No", kind: "reject_once" },
    ],
  };
  const { outcome } = await turn.client.request("session/request_permission", request);
  await say(turn, `answered: ${outcome.outcome === "selected" ? outcome.optionId : "cancelled"}`);
}

function commit(cwd: string, file: string): string {
  writeFileSync(path.join(cwd, file), `${file}\n`);
  const git = (...args: string[]) => execFileSync("git", args, { cwd, encoding: "utf8" });
  git("add", "--", file);
  return git("commit", "-m", `Add ${file}`);
}

async function untilCancelled({ session }: Turn): Promise<void> {
  const { signal } = session.cancel;
  if (signal.aborted) return;
  await new Promise((resolve) => {
    signal.addEventListener("abort", resolve, { once: true });
  });
}

async function untilFile(turn: Turn, file: string): Promise<void> {
  const found = Promise.withResolvers<void>();
  const look = () => {
    if (existsSync(file)) found.resolve();
  };
  const watcher = watch(path.dirname(file), look);
  look();
  await Promise.race([found.promise, untilCancelled(turn)]);
  watcher.close();
}

async function sayUnknown(turn: Turn): Promise<void> {
  const { client, session } = turn;
  await client.notify("session/update", {
    sessionId: session.id,
    update: { sessionUpdate: "weather_update", sky: "blue" },
  } as never);
  await client.notify("_example/nothing", { to: "nobody" });
  const answer = await client
    .request("fs/read_text_file", { sessionId: session.id, path: "/etc/hostname" })
    .then(
      () => "read",
      (error: unknown) => (error instanceof RequestError ? String(error.code) : String(error)),
    );
  await say(turn, `fs/read_text_file: ${answer}`);
}

async function tellOfRetry(turn: Turn, count: string): Promise<void> {
  const error = {
    message: `Reconnecting... ${count}`,
    codexErrorInfo: "serverOverloaded",
    willRetry: true,
  };
  await tell(turn, { sessionUpdate: "session_info_update", _meta: { codex: { error } } });
  process.stdout.write("asking again\n");
}

function flood({ session }: Turn, count: number): Promise<void> {
  const lines = Array.from({ length: count }, (_, at) => {
    const update = { sessionUpdate: "tool_call", toolCallId: `flood-${String(at)}`, title: "x" };
    const params = { sessionId: session.id, update };
    return JSON.stringify({ jsonrpc: "2.0", method: "session/update", params });
  });
  return new Promise((resolve) => {
    process.stdout.write(`${lines.join("\n")}\n`, () => {
      resolve();
    });
  });
}

function printGarbage(): void {
  process.stdout.write(
    [
      "this is no JSON",
      '{"jsonrpc":"2.0","id":99999,"result":{}}',
      '{"jsonrpc":"2.0"}',
      "[1,2,3]",
      '{"half":',
      "",
    ].join("\n"),
  );
}

function failWith(code: string): never {
  if (code === "401") throw new RequestError(-32000, "Authentication required");
  throw new RequestError(-32603, `Internal error: API Error: ${code}`);
}

/** @returns the turn's stopReason where the directive ends it */
async function follow(turn: Turn, directive: string): Promise<StopReason | undefined> {
  const { session } = turn;
  const [verb = "", ...words] = directive.split(" ");
  const rest = words.join(" ");
  switch (verb) {
    case "say":
      await say(turn, rest);
      break;
    case "say-parts":
      await sayParts(turn, words);
      break;
    case "think":
      await tell(turn, {
        sessionUpdate: "agent_thought_chunk",
        content: { type: "text", text: rest },
      });
      break;
    case "tool":
      await useTool(turn, words[0] ?? "other", words.slice(1).join(" "), () => "done");
      break;
    case "begin-tool":
      await tell(turn, {
        sessionUpdate: "tool_call",
        toolCallId: `begun-${rest}`,
        title: rest,
        kind: "execute",
        status: "in_progress",
      });
      break;
    case "plan":
      await tell(turn, {
        sessionUpdate: "plan",
        entries: rest.split(" | ").map((content, at) => ({
          content,
          priority: "medium",
          status: at === 0 ? "in_progress" : "pending",
        })),
      });
      break;
    case "usage": {
      const [inputTokens = 0, outputTokens = 0, cost = 0] = words.map(Number);
      turn.usage = { inputTokens, outputTokens, totalTokens: inputTokens + outputTokens };
      session.costUsd += cost;
      await tell(turn, {
        sessionUpdate: "usage_update",
        used: inputTokens + outputTokens,
        size: 100_000,
        cost: { amount: session.costUsd, currency: "USD" },
      });
      break;
    }
    case "ask":
      await askLeave(turn, rest);
      break;
    case "ask-path":
      await askLeave(turn, words.slice(1).join(" "), { locations: [{ path: words[0] ?? "" }] });
      break;
    case "ask-call":
      await askLeave(turn, "", JSON.parse(rest) as Partial<RequestPermissionRequest["toolCall"]>);
      break;
    case "commit":
      await useTool(turn, "execute", `commit ${rest}`, () => commit(session.cwd, rest));
      break;
    case "wait-cancel":
      await untilCancelled(turn);
      break;
    case "wait-file":
      await untilFile(turn, rest);
      break;
    case "history":
      await say(turn, `history: ${JSON.stringify(session.history.slice(0, -1))}`);
      break;
    case "mcp":
      await say(turn, `mcp: ${JSON.stringify(session.mcpServers)}`);
      break;
    case "mode":
      await say(turn, `mode: ${session.mode}`);
      break;
    case "unknown":
      await sayUnknown(turn);
      break;
    case "garbage":
      printGarbage();
      break;
    case "nul":
      await say(turn, "done \0 bye");
      break;
    case "long":
      await say(turn, "x".repeat(Number(rest)));
      break;
    case "nothing":
      break;
    case "retry":
      await tellOfRetry(turn, rest);
      break;
    case "cost":
      await tell(turn, {
        sessionUpdate: "usage_update",
        used: 0,
        size: 100_000,
        cost: { amount: Number(rest), currency: "USD" },
      });
      break;
    case "flood":
      await flood(turn, Number(rest));
      break;
    case "errors":
      process.stderr.write(`${rest}\n`);
      break;
    case "error": {
      const { code, message, data } = JSON.parse(rest) as RequestError;
      throw new RequestError(code, message, data);
    }
    case "stop":
      return rest as StopReason;
    case "fail":
      return failWith(rest);
    case "exit":
      return process.exit(Number(rest));
    default:
      await say(turn, `no such directive: ${directive}`);
  }
  return session.cancel.signal.aborted ? "cancelled" : undefined;
}

async function runTurn(turn: Turn, text: string): Promise<PromptResponse> {
  const { session } = turn;
  session.cancel = new AbortController();
  session.history.push({ role: "user", text });
  keep(session);
  const directives = text.split("\n").flatMap((line) => /^do: (.*)$/.exec(line)?.[1] ?? []);
  let stopReason: StopReason = "end_turn";
  try {
    for (const directive of directives.length === 0 ? ["say Nothing to do."] : directives) {
      const ended = await follow(turn, directive);
      if (ended !== undefined) {
        stopReason = ended;
        break;
      }
    }
  } finally {
    keep(session);
  }
  return turn.usage == null ? { stopReason } : { stopReason, usage: turn.usage };
}

const modes = {
  currentModeId: "careful",
  availableModes: [
    { id: "careful", name: "Careful" },
    { id: "bold", name: "Bold" },
  ],
};

function serve(): void {
  // Node's type for it says nothing of what is in it: standard input has bytes.
  const input = Readable.toWeb(process.stdin) as ReadableStream<Uint8Array>;
  agent()
    .onRequest("initialize", () => ({
      protocolVersion: Number(options["protocol-version"]),
      agentInfo: { name: "scripted-agent", version: "1" },
      agentCapabilities: {
        loadSession: !options["no-load"],
        mcpCapabilities: { http: true, sse: false },
      },
    }))
    .onRequest("session/new", ({ params }) => {
      const { cwd, mcpServers } = params;
      const session = open(randomUUID(), { cwd, mcpServers, history: [] });
      keep(session);
      return { sessionId: session.id, modes };
    })
    .onRequest("session/load", async ({ params, client }) => {
      const { sessionId, cwd, mcpServers } = params;
      if (!existsSync(fileOf(sessionId))) throw new RequestError(-32002, `no session ${sessionId}`);
      const history = JSON.parse(readFileSync(fileOf(sessionId), "utf8")) as Session["history"];
      for (const { role, text } of history) {
        await client.notify("session/update", {
          sessionId,
          update: { sessionUpdate: `${role}_message_chunk`, content: { type: "text", text } },
        });
      }
      open(sessionId, { cwd, mcpServers, history });
      return { modes };
    })
    .onRequest("session/set_mode", ({ params }) => {
      find(params.sessionId).mode = params.modeId;
      return {};
    })
    .onRequest("session/prompt", ({ params, client }) => {
      const text = params.prompt.flatMap((block) => (block.type === "text" ? block.text : []));
      return runTurn(
        { session: find(params.sessionId), client, usage: undefined },
        text.join("\n"),
      );
    })
    .onNotification("session/cancel", ({ params }) => {
      find(params.sessionId).cancel.abort();
    })
    .connect(ndJsonStream(Writable.toWeb(process.stdout), input));
}

const { "silent-once": silentOnce } = options;
const isFirst = silentOnce !== undefined && !existsSync(silentOnce);
if (isFirst) writeFileSync(silentOnce, "");
if (options.silent || isFirst) process.stdin.resume();
else serve();
