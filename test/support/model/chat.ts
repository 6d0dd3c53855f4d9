// OpenAI's chat completions, as opencode asks. Source: https://platform.openai.com/docs/api-reference/chat
import { listIn, objectIn, textIn, type JsonObject } from "../../../src/agents/json.ts";
import { newId, tokens, type Format, type Plan } from "./plan.ts";

export const chat: Format = {
  read(body) {
    return {
      tools: listIn(body, "tools").map((tool) => {
        const described = objectIn(tool, "function");
        return {
          name: textIn(described, "name") ?? "",
          schema: objectIn(described, "parameters"),
        };
      }),
      answered: textIn(listIn(body, "messages").at(-1), "role") === "tool",
    };
  },

  whole(plan, body) {
    const choice = { index: 0, message: messageOf(plan), finish_reason: finishReason(plan) };
    return { ...head("chat.completion", body), choices: [choice], usage };
  },

  stream(plan, body) {
    const common = head("chat.completion.chunk", body);
    const end = { index: 0, delta: {}, finish_reason: finishReason(plan) };
    return [
      { ...common, choices: [{ index: 0, delta: messageOf(plan), finish_reason: null }] },
      { ...common, choices: [end] },
      { ...common, choices: [], usage },
      "[DONE]",
    ].map((data) => ({ data }));
  },
};

const usage = {
  prompt_tokens: tokens.input,
  completion_tokens: tokens.output,
  total_tokens: tokens.input + tokens.output,
  prompt_tokens_details: { cached_tokens: tokens.cached },
};

function head(object: string, body: JsonObject): JsonObject {
  return { id: newId("chatcmpl-"), object, created: 1_700_000_000, model: body["model"] };
}

function messageOf(plan: Plan): JsonObject {
  if (!("call" in plan)) return { role: "assistant", content: plan.text };
  const called = { name: plan.call.name, arguments: JSON.stringify(plan.call.args) };
  const call = { index: 0, id: newId("call_"), type: "function", function: called };
  return { role: "assistant", content: null, tool_calls: [call] };
}

function finishReason(plan: Plan): string {
  return "call" in plan ? "tool_calls" : "stop";
}
