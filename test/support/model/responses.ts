// OpenAI's responses, as codex asks. Source: https://platform.openai.com/docs/api-reference/responses
import { listIn, objectIn, textIn, type JsonObject } from "../../../src/agents/json.ts";
import { newId, tokens, type Format, type Plan } from "./plan.ts";

export const responses: Format = {
  read(body) {
    return {
      tools: listIn(body, "tools").map((tool) => ({
        name: textIn(tool, "name") ?? textIn(tool, "type") ?? "",
        schema: objectIn(tool, "parameters"),
      })),
      answered: (textIn(listIn(body, "input").at(-1), "type") ?? "").endsWith("_output"),
    };
  },

  whole: (plan, body) => responseOf(itemOf(plan), body),

  stream(plan, body) {
    const item = itemOf(plan);
    const response = responseOf(item, body);
    const begun = { ...response, status: "in_progress", output: [], usage: null };
    const at = { output_index: 0, item_id: item["id"] };
    const parts =
      "call" in plan
        ? argumentEvents(at, JSON.stringify(plan.call.args))
        : textEvents({ ...at, content_index: 0 }, plan.text);
    const empty = "call" in plan ? { arguments: "" } : { content: [] };
    return [
      { type: "response.created", response: begun },
      {
        type: "response.output_item.added",
        output_index: 0,
        item: { ...item, status: "in_progress", ...empty },
      },
      ...parts,
      { type: "response.output_item.done", output_index: 0, item },
      { type: "response.completed", response },
    ].map((data, index) => ({ event: data.type, data: { ...data, sequence_number: index } }));
  },
};

type Typed = JsonObject & { readonly type: string };

function argumentEvents(at: JsonObject, text: string): Typed[] {
  return [
    { type: "response.function_call_arguments.delta", ...at, delta: text },
    { type: "response.function_call_arguments.done", ...at, arguments: text },
  ];
}

function textEvents(at: JsonObject, text: string): Typed[] {
  return [
    { type: "response.content_part.added", ...at, part: partOf("") },
    { type: "response.output_text.delta", ...at, delta: text },
    { type: "response.output_text.done", ...at, text },
    { type: "response.content_part.done", ...at, part: partOf(text) },
  ];
}

function partOf(text: string): JsonObject {
  return { type: "output_text", text, annotations: [] };
}

function itemOf(plan: Plan): JsonObject {
  if (!("call" in plan)) {
    const common = { type: "message", id: newId("msg_"), role: "assistant", status: "completed" };
    return { ...common, content: [partOf(plan.text)] };
  }
  return {
    type: "function_call",
    id: newId("fc_"),
    call_id: newId("call_"),
    name: plan.call.name,
    status: "completed",
    arguments: JSON.stringify(plan.call.args),
  };
}

function responseOf(item: JsonObject, body: JsonObject): JsonObject {
  return {
    id: newId("resp_"),
    object: "response",
    created_at: 1_700_000_000,
    status: "completed",
    model: body["model"],
    error: null,
    output: [item],
    usage: {
      input_tokens: tokens.input,
      input_tokens_details: { cached_tokens: tokens.cached },
      output_tokens: tokens.output,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: tokens.input + tokens.output,
    },
  };
}
