// The lines of `opencode run --format json`. Each step is a request to the model.
import {
  change,
  countTurn,
  headless,
  kindOf,
  nameConversation,
  say,
  setUsage,
  think,
  titleOf,
  useTool,
  endTurn,
  type HeadlessDraft,
} from "../headless.ts";
import { countIn, numberIn, objectIn, textIn, type JsonObject } from "../json.ts";
import { failure, failureOf, success } from "../reason.ts";

export const opencodeStream = headless((draft, line) => {
  nameConversation(draft, textIn(line, "sessionID"));
  const part = objectIn(line, "part");
  switch (textIn(line, "type")) {
    case "step_start":
      countTurn(draft, textIn(part, "messageID") ?? null);
      // An end that was none: it goes on.
      if (draft.state.verdict?.succeeded === true) change(draft, { phase: "busy", verdict: null });
      return true;
    case "text":
      say(draft, textIn(part, "text") ?? "");
      return true;
    case "reasoning":
      think(draft, textIn(part, "text") ?? "");
      return true;
    case "tool_use":
      onTool(draft, part);
      return true;
    case "step_finish":
      onStepFinished(draft, part);
      return true;
    case "error":
      onError(draft, objectIn(line, "error"));
      return true;
    default:
      return false;
  }
});

function onTool(draft: HeadlessDraft, part: JsonObject): void {
  const tool = textIn(part, "tool") ?? "tool";
  const state = objectIn(part, "state");
  const hasFailed = textIn(state, "status") === "error";
  const title = textIn(state, "title") ?? "";
  useTool(draft, {
    id: textIn(part, "callID") ?? tool,
    title: title === "" ? titleOf(tool, objectIn(state, "input")) : title,
    kind: kindOf(tool),
    status: hasFailed ? "FAILED" : "COMPLETED",
    content: hasFailed ? textIn(state, "error") : textIn(state, "output"),
  });
}

function onStepFinished(draft: HeadlessDraft, part: JsonObject): void {
  const tokens = objectIn(part, "tokens");
  const cache = objectIn(tokens, "cache");
  const { usage } = draft.state;
  const cost = numberIn(part, "cost");
  setUsage(
    draft,
    {
      inputTokens:
        (usage?.inputTokens ?? 0) +
        countIn(tokens, "input") +
        countIn(cache, "read") +
        countIn(cache, "write"),
      outputTokens:
        (usage?.outputTokens ?? 0) + countIn(tokens, "output") + countIn(tokens, "reasoning"),
      costUsd: cost === undefined || cost < 0 ? (cost ?? null) : (usage?.costUsd ?? 0) + cost,
    },
    false,
  );
  const reason = textIn(part, "reason");
  if (reason === "stop") endTurn(draft, success);
  else if (reason === "length")
    endTurn(draft, failure("the model's limit of tokens was reached", "CONTEXT_EXHAUSTED"));
}

function onError(draft: HeadlessDraft, error: JsonObject): void {
  const data = objectIn(error, "data");
  const status = numberIn(data, "statusCode");
  const said = textIn(data, "message") ?? textIn(error, "message") ?? textIn(error, "name") ?? "";
  const facts = { kinds: [textIn(error, "name")], status };
  endTurn(draft, failureOf(`${status === undefined ? "" : String(status)} ${said}`.trim(), facts));
}
