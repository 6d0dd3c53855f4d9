// Anthropic's messages, as claude asks. Source: https://docs.anthropic.com/en/api/messages
import { isObject, listIn, objectIn, textIn, type JsonObject } from "../../../src/agents/json.ts";
import { newId, tokens, type Format, type Plan } from "./plan.ts";

export const anthropic: Format = {
  read(body) {
    const messages = listIn(body, "messages").filter(isObject);
    // What came since the model last spoke: a prompt after a tool's result is a new turn.
    const from = messages.findLastIndex((message) => message["role"] === "assistant") + 1;
    const parts = messages.slice(from).flatMap(partsOf);
    const result = parts.findLastIndex((part) => part["type"] === "tool_result");
    return {
      tools: listIn(body, "tools").map((tool) => ({
        name: textIn(tool, "name") ?? "",
        schema: objectIn(tool, "input_schema"),
      })),
      answered: result >= 0 && !parts.slice(result + 1).some(isPrompt),
    };
  },

  whole(plan, body) {
    return {
      id: newId("msg_"),
      type: "message",
      role: "assistant",
      model: body["model"],
      content: [blockOf(plan)],
      stop_reason: stopReason(plan),
      stop_sequence: null,
      usage,
    };
  },

  stream(plan, body) {
    const block = blockOf(plan);
    const message = { ...this.whole(plan, body), content: [], stop_reason: null };
    const [start, delta] =
      "call" in plan
        ? [
            { ...block, input: {} },
            { type: "input_json_delta", partial_json: JSON.stringify(plan.call.args) },
          ]
        : [
            { type: "text", text: "" },
            { type: "text_delta", text: plan.text },
          ];
    const end = { stop_reason: stopReason(plan), stop_sequence: null };
    return [
      { type: "message_start", message },
      { type: "content_block_start", index: 0, content_block: start },
      { type: "content_block_delta", index: 0, delta },
      { type: "content_block_stop", index: 0 },
      { type: "message_delta", delta: end, usage },
      { type: "message_stop" },
    ].map((data) => ({ event: data.type, data }));
  },
};

const usage = {
  input_tokens: tokens.input,
  output_tokens: tokens.output,
  cache_read_input_tokens: tokens.cached,
  cache_creation_input_tokens: 0,
};

function partsOf(message: JsonObject): JsonObject[] {
  const content = message["content"];
  if (typeof content === "string") return [{ type: "text", text: content }];
  return listIn(message, "content").filter(isObject);
}

/** What claude itself adds to a turn is no prompt. */
function isPrompt(part: JsonObject): boolean {
  const text = part["type"] === "text" ? textIn(part, "text") : undefined;
  return text !== undefined && !/^\s*(?:<system-reminder>|\[Request interrupted)/.test(text);
}

function blockOf(plan: Plan): JsonObject {
  if (!("call" in plan)) return { type: "text", text: plan.text };
  return { type: "tool_use", id: newId("toolu_"), name: plan.call.name, input: plan.call.args };
}

function stopReason(plan: Plan): string {
  return "call" in plan ? "tool_use" : "end_turn";
}
