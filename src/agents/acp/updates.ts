// What the agent tells of a session while it works.
import type { SessionUpdate } from "@agentclientprotocol/sdk";
import { isObject, objectIn, textIn, type JsonObject } from "../json.ts";
import { factsOfCodex } from "../codex/facts.ts";
import { countIn, describeRetry } from "../retry.ts";
import { appendToMessage, aside, message, output } from "../said.ts";
import { isAside } from "./profile.ts";
import { change, goOn, type Draft } from "./state.ts";
import { onPlan, onToolCall, textOfBlock } from "./tool-calls.ts";
import { onUsageUpdate } from "./turn.ts";

type UpdateKind = SessionUpdate["sessionUpdate"];

export function onUpdate(draft: Draft, params: unknown, line: string): void {
  const update = objectIn(params, "update");
  const kind = textIn(update, "sessionUpdate");
  if (draft.state.isLoading && kind !== "usage_update") return;
  const read = kind !== undefined && Object.hasOwn(readers, kind) ? readers[kind] : undefined;
  if (read === undefined) draft.events.push(output(line));
  else read(draft, update);
}

const ignore = () => undefined;

const readers: Readonly<Record<string, (draft: Draft, update: JsonObject) => void>> = {
  agent_message_chunk: onMessage,
  agent_thought_chunk: onThought,
  tool_call: (draft, update) => {
    onModelAnswer(draft);
    onToolCall(draft, update, true);
  },
  tool_call_update: (draft, update) => onToolCall(draft, update, false),
  plan: onPlan,
  usage_update: onUsageUpdate,
  session_info_update: onSessionInfo,
  // The agent's echo of what it was told, which was an event when it was sent.
  user_message_chunk: ignore,
  // What an editor's menus would show.
  available_commands_update: ignore,
  current_mode_update: ignore,
  config_option_update: ignore,
} satisfies Partial<Record<UpdateKind, (draft: Draft, update: JsonObject) => void>>;

function onMessage(draft: Draft, update: JsonObject): void {
  const text = textOfBlock(objectIn(update, "content"));
  const messageId = textIn(update, "messageId") ?? null;
  if (messageId === null && isAside(draft.state.offers.agent, text)) {
    change(draft, { isSpeaking: false });
    draft.events.push(aside(text));
    return;
  }
  onModelAnswer(draft);
  if (text.trim() !== "") goOn(draft, "spoke");
  const { state } = draft;
  const goesOn =
    messageId === null
      ? state.isSpeaking && state.messageId === null
      : messageId === state.messageId;
  change(draft, {
    isSpeaking: true,
    messageId,
    lastMessage: appendToMessage(goesOn ? state.lastMessage : null, text),
  });
  if (text !== "") draft.events.push(message("AGENT", text));
}

function onThought(draft: Draft, update: JsonObject): void {
  onModelAnswer(draft);
  change(draft, { isSpeaking: false });
  const text = textOfBlock(objectIn(update, "content"));
  if (text.trim() !== "") goOn(draft, "spoke");
  if (text !== "") draft.events.push(message("THOUGHT", text));
}

/** The protocol doesn't tell of requests to the model; what follows a tool's end is the answer to one. */
function onModelAnswer(draft: Draft): void {
  if (draft.state.toolEnded) {
    change(draft, { toolEnded: false, turns: draft.state.turns + 1 });
  }
}

/** Where codex tells of errors. */
function onSessionInfo(draft: Draft, update: JsonObject): void {
  const codex = objectIn(objectIn(update, "_meta"), "codex");
  const thread = textIn(objectIn(codex, "threadStatus"), "type");
  if (thread !== undefined) change(draft, { systemError: thread === "systemError" });
  const error = codex["error"];
  if (!isObject(error)) return;
  const said = textIn(error, "message");
  const words = textIn(error, "additionalDetails") ?? said;
  if (words === undefined) return;
  const facts = factsOfCodex(error);
  change(draft, { trouble: words.slice(0, 1_000), troubleFacts: facts });
  if (error["willRetry"] !== true) return;
  change(draft, { retrying: describeRetry({ facts: { ...facts, words }, ...countIn(said) }) });
}
