// The lines of `codex exec --json`.
import { callsIn, findCall } from "../calls.ts";
import {
  change,
  countTurn,
  endTurn,
  headless,
  nameConversation,
  say,
  setUsage,
  think,
  useTool,
  type HeadlessDraft,
} from "../headless.ts";
import { countIn, isObject, listIn, numberIn, objectIn, textIn, type JsonObject } from "../json.ts";
import { failureOf, success } from "../reason.ts";
import { countIn as triesIn, describeRetry } from "../retry.ts";
import { factsOfCodex } from "./facts.ts";

export const codexStream = headless((draft, line) => {
  switch (textIn(line, "type")) {
    case "thread.started":
      nameConversation(draft, textIn(line, "thread_id"));
      return true;
    case "turn.started":
      // Its events don't tell of requests to the model, so that answers and tool calls are counted.
      change(draft, { phase: "busy", current: null });
      return true;
    case "item.started":
    case "item.updated":
      return onItem(draft, objectIn(line, "item"), "RUNNING");
    case "item.completed":
      return onItem(draft, objectIn(line, "item"), "COMPLETED");
    case "turn.completed": {
      const usage = objectIn(line, "usage");
      const told = {
        // Cached tokens are part of the input here.
        inputTokens: countIn(usage, "input_tokens"),
        outputTokens: countIn(usage, "output_tokens"),
        costUsd: null,
      };
      setUsage(draft, told, true);
      endTurn(draft, success);
      return true;
    }
    case "turn.failed": {
      const error = objectIn(line, "error");
      const { trouble, troubleFacts } = draft.state;
      const facts = { ...troubleFacts, ...factsOfCodex(error) };
      endTurn(draft, failureOf(textIn(error, "message") ?? trouble ?? undefined, facts));
      return true;
    }
    case "error":
      onError(draft, line);
      return false;
    default:
      return false;
  }
});

/** It tells of retries too, so that it decides nothing. */
function onError(draft: HeadlessDraft, line: JsonObject): void {
  const words = (textIn(line, "message") ?? "").slice(0, 1_000);
  const facts = factsOfCodex(line);
  const [, count, why] = /^Reconnecting\W+(\d+\/\d+)(?:\s*\((.*)\))?/s.exec(words) ?? [];
  const retrying =
    count === undefined
      ? null
      : describeRetry({ facts: { ...facts, words: why }, ...triesIn(count) });
  change(draft, { trouble: words, troubleFacts: facts, retrying });
}

type Progress = "RUNNING" | "COMPLETED";

function onItem(draft: HeadlessDraft, item: JsonObject, progress: Progress): boolean {
  const id = textIn(item, "id") ?? "item";
  const isWhole = progress === "COMPLETED";
  switch (textIn(item, "type")) {
    case "agent_message":
      if (!isWhole) return true;
      countTurn(draft, id);
      say(draft, textIn(item, "text") ?? "");
      return true;
    case "reasoning":
      if (isWhole) think(draft, textIn(item, "text") ?? "");
      return true;
    case "command_execution":
      onTool(draft, item, progress, {
        kind: "execute",
        title: textIn(item, "command") ?? "a command",
        content: textIn(item, "aggregated_output"),
      });
      return true;
    case "file_change": {
      const paths = listIn(item, "changes").flatMap((changed) => textIn(changed, "path") ?? []);
      onTool(draft, item, progress, { kind: "edit", title: `Change ${paths.join(", ")}` });
      return true;
    }
    case "mcp_tool_call": {
      const title = `${textIn(item, "server") ?? "mcp"}: ${textIn(item, "tool") ?? "tool"}`;
      const results = listIn(objectIn(item, "result"), "content");
      const content = results.flatMap((part) => textIn(part, "text") ?? []).join("\n");
      onTool(draft, item, progress, { kind: "other", title, content });
      return true;
    }
    case "web_search":
      onTool(draft, item, progress, {
        kind: "fetch",
        title: `Search ${textIn(item, "query") ?? "the web"}`,
      });
      return true;
    case "todo_list":
      onPlan(draft, item);
      return true;
    default:
      return false;
  }
}

function onTool(
  draft: HeadlessDraft,
  item: JsonObject,
  progress: Progress,
  told: { kind: string; title: string; content?: string | undefined },
): void {
  const id = textIn(item, "id") ?? "item";
  if (findCall(callsIn(draft.state.toolCalls), id) === undefined) countTurn(draft, id);
  const status = textIn(item, "status");
  const exitCode = numberIn(item, "exit_code");
  const hasFailed =
    /fail|declin|error/.test(status ?? "") || (exitCode !== undefined && exitCode !== 0);
  const toolStatus = progress === "RUNNING" ? progress : hasFailed ? "FAILED" : "COMPLETED";
  useTool(draft, { id, ...told, status: toolStatus });
}

function onPlan(draft: HeadlessDraft, item: JsonObject): void {
  const items = listIn(item, "items").map((entry) => ({
    text: textIn(entry, "text") ?? "",
    isDone: isObject(entry) && entry["completed"] === true,
  }));
  useTool(draft, {
    id: "plan",
    title: "Plan",
    kind: "plan",
    status: items.every(({ isDone }) => isDone) ? "COMPLETED" : "RUNNING",
    content: items.map(({ text, isDone }) => `- [${isDone ? "x" : " "}] ${text}`).join("\n"),
  });
}
