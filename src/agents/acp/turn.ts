// How a turn ended, and what it used.
import type { StopReason } from "@agentclientprotocol/sdk";
import { factsOfCodex } from "../codex/facts.ts";
import { failureCodeOf, type FailureFacts } from "../failure-code.ts";
import { noticeIn } from "../notice.ts";
import { failure, failureOf, plain, success } from "../reason.ts";
import { countIn, isObject, numberIn, objectIn, textIn, type JsonObject } from "../json.ts";
import { countCost, usageEvent } from "../said.ts";
import type { AgentVerdict } from "../talk.ts";
import { countsConversation } from "./profile.ts";
import { change, type AcpState, type Draft } from "./state.ts";

export function onTurnEnded(draft: Draft, result: unknown): void {
  addUsage(draft, result);
  finish(draft, verdictOn(draft.state, result));
}

export function onTurnFailed(draft: Draft, error: JsonObject): void {
  const { trouble, troubleFacts } = draft.state;
  finish(draft, failureOfError(error, trouble, troubleFacts));
}

function finish(draft: Draft, verdict: AgentVerdict): void {
  // What it asked for in that turn, it waits for no longer.
  change(draft, { phase: "idle", verdict, asked: {}, isSpeaking: false, retrying: null });
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
      return verdictOnEnd(state, result);
    case "cancelled":
      return failure(
        state.refused === null
          ? "the turn was cancelled"
          : `the agent gave up when it was refused: ${state.refused}`,
      );
    case "refusal":
      return failure("the model refused to go on");
    case "max_tokens":
      return failure("the model's limit of tokens was reached", "CONTEXT_EXHAUSTED");
    case "max_turn_requests":
      return failure("the agent's limit of requests in one turn was reached");
  }
}

/** As if all were well, some end it also where it wasn't. */
function verdictOnEnd(state: AcpState, result: unknown): AgentVerdict {
  const { did, lastMessage, trouble, troubleFacts } = state;
  // codex-acp, when the model's server has failed. Where the conversation is full, the message alone says so.
  if (state.systemError) {
    const words = trouble ?? (did === "spoke" ? lastMessage : null);
    return failureOf(words ?? "the model's server failed", troubleFacts ?? {});
  }
  const tokens = tokensOf(result);
  const hasTokens = tokens !== undefined && tokens.input + tokens.output > 0;
  if (did === "nothing" && !hasTokens) {
    return failure("the agent ended its turn without a word, a tool call or any use of the model");
  }
  if (lastMessage === null || did === "nothing") return success;
  const notice = noticeIn(lastMessage, did === "spoke" && !hasTokens);
  return notice === null ? success : failure(`the agent failed: ${plain(lastMessage)}`, notice);
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
  const told = countsOn && amount >= 0 ? Math.max(0, amount - state.costBefore) : amount;
  const { costUsd, doubt } = countCost(told, state.usage?.costUsd ?? null);
  if (doubt !== undefined && state.costDoubted !== true) {
    draft.events.push(doubt);
    change(draft, { costDoubted: true });
  }
  if (costUsd === null || state.usage?.costUsd === costUsd) return;
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

export function failureOfError(
  error: JsonObject,
  trouble: string | null = null,
  troubleFacts: FailureFacts | null = null,
): AgentVerdict {
  const data = objectIn(error, "data");
  const parts = [
    textIn(error, "message"),
    textIn(data, "message") ?? textIn(data, "details") ?? textIn(error, "data"),
    trouble,
  ];
  const words = parts.reduce<string>((all, part) => addWords(all, part ?? ""), "");
  const inCodex = factsOfCodex(data);
  const facts: FailureFacts = {
    kinds: [
      // claude's, opencode's
      ...["errorKind", "errorName", "type", "code", "status"].map((name) => textIn(data, name)),
      ...(inCodex.kinds ?? []),
      ...(troubleFacts?.kinds ?? []),
    ],
    status: inCodex.status ?? statusIn(data, error) ?? troubleFacts?.status,
  };
  if (isAboutLogin(error) && failureCodeOf({ ...facts, words }) === null) {
    return failureOf(words, { ...facts, status: 401 });
  }
  return failureOf(words === "" ? undefined : words, facts);
}

/** Agents say "Internal error" before their words, or in place of them, and repeat themselves. */
function addWords(all: string, part: string): string {
  const words = part.replace(/^Internal error(?:: |$)/, "");
  return words === "" || all.includes(words) ? all : [all, words].filter(Boolean).join(": ");
}

/** gemini gives HTTP's status for the error's code. */
function statusIn(data: JsonObject, error: JsonObject): number | undefined {
  const status =
    numberIn(data, "statusCode") ?? numberIn(data, "status") ?? numberIn(error, "code");
  return status !== undefined && status >= 400 && status <= 599 ? status : undefined;
}
