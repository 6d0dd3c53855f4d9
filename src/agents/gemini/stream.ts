// The lines of `gemini --output-format stream-json`.
import {
  change,
  countTurn,
  endTurn,
  headless,
  kindOf,
  nameConversation,
  say,
  setUsage,
  titleOf,
  useTool,
  type HeadlessDraft,
} from "../headless.ts";
import { countIn, objectIn, textIn, type JsonObject } from "../json.ts";
import type { FailureFacts } from "../failure-code.ts";
import { failureOf, success } from "../reason.ts";

export const geminiStream = headless((draft, line) => {
  switch (textIn(line, "type")) {
    case "init":
      nameConversation(draft, textIn(line, "session_id"));
      return true;
    case "message":
      return onMessage(draft, line);
    case "tool_use": {
      if (draft.state.current !== "tools") countTurn(draft, "tools");
      const tool = textIn(line, "tool_name") ?? "tool";
      useTool(draft, {
        id: textIn(line, "tool_id") ?? tool,
        title: titleOf(tool, objectIn(line, "parameters")),
        kind: kindOf(tool),
        status: "RUNNING",
      });
      return true;
    }
    case "tool_result": {
      const hasFailed = textIn(line, "status") !== "success";
      const error = textIn(objectIn(line, "error"), "message");
      useTool(draft, {
        id: textIn(line, "tool_id") ?? "tool",
        status: hasFailed ? "FAILED" : "COMPLETED",
        content: textIn(line, "output") ?? error,
      });
      // What comes next answers a further request to the model.
      change(draft, { current: null });
      return true;
    }
    case "result":
      onResult(draft, line);
      return true;
    default:
      return false;
  }
}, factsOfExit);

/** It ends with the HTTP status that it met, of which a process keeps the last eight bits, or with codes of its own. */
function factsOfExit(exitCode: number): FailureFacts {
  if (exitCode === 41) return { kinds: ["FatalAuthenticationError"] };
  const status = [401, 403, 429, 500, 502, 503, 504].find((known) => known % 256 === exitCode);
  return status === undefined ? {} : { status };
}

function onMessage(draft: HeadlessDraft, line: JsonObject): boolean {
  switch (textIn(line, "role")) {
    case "user":
      // The prompt, repeated.
      return true;
    case "assistant":
      if (draft.state.current === null) countTurn(draft, "message");
      say(draft, textIn(line, "content") ?? "", line["delta"] === true);
      return true;
    default:
      return false;
  }
}

function onResult(draft: HeadlessDraft, line: JsonObject): void {
  const stats = objectIn(line, "stats");
  setUsage(
    draft,
    {
      // Cached tokens are part of the input here.
      inputTokens: countIn(stats, "input_tokens"),
      outputTokens: countIn(stats, "output_tokens"),
      costUsd: null,
    },
    false,
  );
  const isSuccess = textIn(line, "status") === "success";
  const error = objectIn(line, "error");
  const facts = { kinds: [textIn(error, "type"), textIn(error, "status")] };
  endTurn(draft, isSuccess ? success : failureOf(textIn(error, "message"), facts));
}
