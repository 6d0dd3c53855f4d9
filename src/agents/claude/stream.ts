// The lines of `claude --print --output-format stream-json --verbose`.
import {
  change,
  countTurn,
  endTurn,
  headless,
  kindOf,
  nameConversation,
  say,
  setUsage,
  think,
  titleOf,
  useTool,
  type HeadlessDraft,
} from "../headless.ts";
import { countIn, isObject, listIn, numberIn, objectIn, textIn, type JsonObject } from "../json.ts";
import { failure, failureOf, plain, success } from "../reason.ts";
import { describeRetry } from "../retry.ts";
import { output } from "../said.ts";
import type { AgentVerdict } from "../talk.ts";

export const claudeStream = headless((draft, line) => {
  nameConversation(draft, textIn(line, "session_id"));
  switch (textIn(line, "type")) {
    case "assistant":
      onAssistant(draft, line);
      return true;
    case "user":
      onUser(draft, line);
      return true;
    case "result":
      onResult(draft, line);
      return true;
    case "system":
      return onSystem(draft, line);
    default:
      return false;
  }
});

function onSystem(draft: HeadlessDraft, line: JsonObject): boolean {
  switch (textIn(line, "subtype")) {
    case "init":
      return true;
    case "api_retry":
      onRetry(draft, line);
      return false;
    default:
      return false;
  }
}

function onRetry(draft: HeadlessDraft, line: JsonObject): void {
  const status = numberIn(line, "error_status");
  const kind = textIn(line, "error");
  const facts = { kinds: [kind ?? ""], status };
  const trouble = `${status === undefined ? "" : String(status)} ${kind ?? ""}`.trim();
  const attempt = numberIn(line, "attempt");
  const most = numberIn(line, "max_retries");
  const retrying = describeRetry({ facts: { ...facts, words: trouble }, attempt, most });
  change(draft, { trouble, troubleFacts: facts, retrying });
}

function onAssistant(draft: HeadlessDraft, line: JsonObject): void {
  const said = objectIn(line, "message");
  // What it makes up itself, to tell of an error, no model was asked for.
  if (textIn(said, "model") !== "<synthetic>") countTurn(draft, textIn(said, "id") ?? null);
  for (const block of listIn(said, "content")) {
    switch (textIn(block, "type")) {
      case "text":
        say(draft, textIn(block, "text") ?? "");
        break;
      case "thinking":
        think(draft, textIn(block, "thinking") ?? "");
        break;
      case "tool_use": {
        const tool = textIn(block, "name") ?? "tool";
        useTool(draft, {
          id: textIn(block, "id") ?? tool,
          title: titleOf(tool, objectIn(block, "input")),
          kind: kindOf(tool),
          status: "RUNNING",
        });
        break;
      }
      default:
        draft.events.push(output(JSON.stringify(block)));
    }
  }
  const kind = textIn(line, "error");
  if (kind !== undefined) change(draft, { troubleFacts: { kinds: [kind] } });
}

/** In its words the user gives the tools' results. */
function onUser(draft: HeadlessDraft, line: JsonObject): void {
  for (const block of listIn(objectIn(line, "message"), "content")) {
    const id = textIn(block, "tool_use_id");
    if (textIn(block, "type") !== "tool_result" || id === undefined) continue;
    const hasFailed = isObject(block) && block["is_error"] === true;
    useTool(draft, {
      id,
      status: hasFailed ? "FAILED" : "COMPLETED",
      content: textOfResult(block),
    });
  }
}

function textOfResult(block: unknown): string {
  const parts = listIn(block, "content").flatMap((part) => textIn(part, "text") ?? []);
  return textIn(block, "content") ?? parts.join("\n");
}

function onResult(draft: HeadlessDraft, line: JsonObject): void {
  const usage = objectIn(line, "usage");
  const { usageBefore } = draft.state;
  const costUsd = numberIn(line, "total_cost_usd") ?? null;
  setUsage(
    draft,
    {
      inputTokens:
        countIn(usage, "input_tokens") +
        countIn(usage, "cache_read_input_tokens") +
        countIn(usage, "cache_creation_input_tokens"),
      outputTokens: countIn(usage, "output_tokens"),
      // Tokens are those of this run alone, while the cost adds up over the conversation's resumes.
      costUsd:
        costUsd === null || costUsd < 0
          ? costUsd
          : Math.max(0, costUsd - (usageBefore?.costUsd ?? 0)),
    },
    false,
  );
  endTurn(draft, verdictOn(draft, line));
}

function verdictOn(draft: HeadlessDraft, line: JsonObject): AgentVerdict {
  const status = numberIn(line, "api_error_status");
  const subtype = textIn(line, "subtype") ?? (line["is_error"] === false ? "success" : undefined);
  // Its subtype is "success" even then.
  if (line["is_error"] === true || subtype !== "success") {
    const errors = listIn(line, "errors").filter((error) => typeof error === "string");
    const told = [
      textIn(line, "result"),
      errors.join("; "),
      textIn(line, "terminal_reason"),
      subtype,
    ];
    const said = told.find((words) => words !== undefined && words !== "");
    const words = [status === undefined ? "" : String(status), said ?? draft.state.trouble ?? ""];
    const kinds = [textIn(line, "terminal_reason"), textIn(line, "api_error_type")];
    return failureOf(words.filter((word) => word !== "").join(" "), {
      kinds: [...(draft.state.troubleFacts?.kinds ?? []), ...kinds],
      status: status ?? draft.state.troubleFacts?.status,
    });
  }
  // What no model was asked for stands here alone.
  if (draft.state.lastMessage === null) say(draft, textIn(line, "result") ?? "");
  const denied = listIn(line, "permission_denials");
  // To be refused is what DENY means; else somebody had to be asked, and nobody was there.
  if (denied.length === 0 || draft.state.permissions === "DENY") return success;
  const first = denied[0];
  const tool = textIn(first, "tool_name") ?? "a tool";
  const what = plain(titleOf(tool, objectIn(first, "tool_input")));
  return failure(
    `the agent was refused permission ${denied.length === 1 ? "once" : `${denied.length} times`}, first for: ${what}`,
  );
}
