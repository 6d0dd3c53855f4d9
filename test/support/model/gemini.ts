// Google's generateContent, as gemini asks. Source: https://ai.google.dev/api/generate-content
import { isObject, listIn, objectIn, textIn, type JsonObject } from "../../../src/agents/json.ts";
import { newId, sample, tokens, type Format, type Plan } from "./plan.ts";

export const gemini: Format = {
  read(body) {
    const parts = listIn(listIn(body, "contents").at(-1), "parts");
    return {
      tools: listIn(body, "tools")
        .flatMap((tool) => listIn(tool, "functionDeclarations"))
        .map((declared) => ({
          name: textIn(declared, "name") ?? "",
          schema: firstObject(declared, "parametersJsonSchema", "parameters"),
        })),
      answered: parts.some((part) => isObject(part) && "functionResponse" in part),
    };
  },

  whole: (plan, body) => ({
    candidates: [
      {
        index: 0,
        content: { role: "model", parts: [partOf(plan, body)] },
        finishReason: "STOP",
      },
    ],
    usageMetadata: {
      promptTokenCount: tokens.input,
      candidatesTokenCount: tokens.output,
      totalTokenCount: tokens.input + tokens.output,
      cachedContentTokenCount: tokens.cached,
    },
    modelVersion: "scripted",
    responseId: newId("r"),
  }),

  stream(plan, body) {
    return [{ data: this.whole(plan, body) }];
  },
};

/** Beside its turns it asks for judgements, by a schema that the answer must have. */
function partOf(plan: Plan, body: JsonObject): JsonObject {
  if ("call" in plan) return { functionCall: { name: plan.call.name, args: plan.call.args } };
  const wanted = firstObject(
    objectIn(body, "generationConfig"),
    "responseJsonSchema",
    "responseSchema",
  );
  const isFree = Object.keys(wanted).length === 0;
  return { text: isFree ? plan.text : JSON.stringify(sample(wanted)) };
}

function firstObject(value: unknown, ...keys: readonly string[]): JsonObject {
  return (
    keys.map((key) => objectIn(value, key)).find((found) => Object.keys(found).length > 0) ?? {}
  );
}
