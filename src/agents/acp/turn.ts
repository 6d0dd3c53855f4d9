// How a turn ended, and what it used.
import type { StopReason } from "@agentclientprotocol/sdk";
import { failure, failureOf, isAboutKey, plain, success } from "../reason.ts";
import { countIn, isObject, numberIn, objectIn, textIn, type JsonObject } from "../json.ts";
import { usageEvent } from "../said.ts";
import type { AgentVerdict } from "../talk.ts";
import { countsConversation } from "./profile.ts";
import { change, type AcpState, type Draft } from "./state.ts";

export function onTurnEnded(draft: Draft, result: unknown): void {
  addUsage(draft, result);
  finish(draft, verdictOn(draft.state, result));
}

export function onTurnFailed(draft: Draft, error: JsonObject): void {
  finish(draft, failureOfError(error, draft.state.trouble));
}

function finish(draft: Draft, verdict: AgentVerdict): void {
  // What it asked for in that turn, it waits for no longer.
  change(draft, { phase: "idle", verdict, asked: {}, isSpeaking: false });
}

function verdictOn(state: AcpState, result: unknown): AgentVerdict {
  const stopReason = textIn(result, "stopReason");
  if (stopReason === undefined) return failure("the agent ended its turn without saying how");
  if (!isStopReason(stopReason)) {
    return failure(
      `the agent ended its turn with "${plain(stopReason).slice(0, 100)}", which is unknown`,
    );
  }
  switch (stopReason) {
    case "end_turn":
      // codex-acp ends the turn as if all were well when the model's server has failed.
      return state.systemError ? failureOf(state.trouble ?? "the model's server failed") : success;
    case "cancelled":
      return failure(
        state.refused === null
          ? "the turn was cancelled"
          : `the agent gave up when it was refused: ${state.refused}`,
      );
    case "refusal":
      return failure("the model refused to go on");
    case "max_tokens":
      return failure("the model's limit of tokens was reached");
    case "max_turn_requests":
      return failure("the agent's limit of requests in one turn was reached");
  }
}

const stopReasons: readonly StopReason[] = [
  "end_turn",
  "max_tokens",
  "max_turn_requests",
  "refusal",
  "cancelled",
];

function isStopReason(value: string): value is StopReason {
  return stopReasons.some((reason) => reason === value);
}

/**
 * Each turn tells its own tokens, which are added up. opencode, up to 1.18.33 at least, tells those of the
 * turn's last request to the model alone, and nothing from which the others could be known, so its sum is too
 * low. A plugin of ours could tell each request's; but where there is a plugin, opencode installs packages
 * before it answers, and without a registry tries that for over a minute.
 */
function addUsage(draft: Draft, result: unknown): void {
  const turn = tokensOf(result);
  if (turn === undefined) return;
  const before = draft.state.usage;
  const usage = {
    inputTokens: (before?.inputTokens ?? 0) + turn.input,
    outputTokens: (before?.outputTokens ?? 0) + turn.output,
    costUsd: before?.costUsd ?? null,
  };
  change(draft, { usage });
  draft.events.push(usageEvent(usage));
}

function tokensOf(result: unknown): { input: number; output: number } | undefined {
  const usage = isObject(result) ? result["usage"] : undefined;
  if (isObject(usage)) {
    const input =
      countIn(usage, "inputTokens") +
      countIn(usage, "cachedReadTokens") +
      countIn(usage, "cachedWriteTokens");
    // Thought tokens are part of the output with some, and beside it with others: the total knows.
    const output = Math.max(countIn(usage, "outputTokens"), countIn(usage, "totalTokens") - input);
    return { input, output };
  }
  // gemini's
  const quota = objectIn(objectIn(result, "_meta"), "quota");
  const count = quota["token_count"];
  return isObject(count)
    ? { input: countIn(count, "input_tokens"), output: countIn(count, "output_tokens") }
    : undefined;
}

/** The cost so far, which agents tell while a turn goes on. */
export function onUsageUpdate(draft: Draft, update: JsonObject): void {
  const cost = objectIn(update, "cost");
  const amount = numberIn(cost, "amount");
  if (amount === undefined || textIn(cost, "currency") !== "USD") return;
  const { state } = draft;
  const countsOn = countsConversation(state.offers.agent);
  if (state.isLoading) {
    if (countsOn) change(draft, { costBefore: amount });
    return;
  }
  const costUsd = Math.max(0, amount - (countsOn ? state.costBefore : 0));
  if (state.usage?.costUsd === costUsd) return;
  const usage = {
    inputTokens: state.usage?.inputTokens ?? 0,
    outputTokens: state.usage?.outputTokens ?? 0,
    costUsd,
  };
  change(draft, { usage });
  draft.events.push(usageEvent(usage));
}

/** JSON-RPC's code of the protocol's own for "authentication required"; gemini gives HTTP's. */
export function isAboutLogin(error: JsonObject): boolean {
  return error["code"] === -32000 || error["code"] === 401;
}

export function failureOfError(error: JsonObject, trouble: string | null = null): AgentVerdict {
  const said = textIn(error, "message");
  const details = textIn(objectIn(error, "data"), "details") ?? textIn(error, "data");
  const words = [said, details, trouble].filter((part) => part != null && part !== "").join(": ");
  if (isAboutLogin(error) && !isAboutKey(words)) return failureOf(`401 ${words}`);
  return failureOf(words === "" ? undefined : words);
}
