// The events that all protocols make alike.
import { deepest, isTooDeep } from "./json.ts";
import { longestSummary, type AgentEvent, type AgentUsage } from "./talk.ts";

/** How many characters of one event are kept. A tool may give back megabytes, which nobody reads. */
export const longestText = 65_536;

/** Long text is cut, and says so. */
export function cut(text: string, longest = longestText): string {
  if (text.length <= longest) return text;
  const end = beforeHalfPair(text, longest);
  return `${text.slice(0, end)}\n[cut: ${String(text.length - end)} more characters]`;
}

export function message(role: "AGENT" | "THOUGHT", text: string): AgentEvent {
  return { type: "message", payload: { role, text: cut(text) } };
}

/** A line that is kept as it came. */
export function output(line: string): AgentEvent {
  return { type: "output", payload: { channel: "STDOUT", text: `${cut(line)}\n` } };
}

/** What the agent's program says beside the model's words. */
export function aside(text: string): AgentEvent {
  return { type: "output", payload: { channel: "STDERR", text: `${cut(text.trimEnd())}\n` } };
}

/** What Factory itself has to say about an agent's output. */
export function note(text: string): AgentEvent {
  return { type: "output", payload: { channel: "STDERR", text: `[factory] ${text}\n` } };
}

/** A line that is no message of the protocol, as it came; with a note where it might have been one. */
export function unread(line: string): AgentEvent[] {
  if (!line.trimStart().startsWith("{") || !isTooDeep(line)) return [output(line)];
  return [
    output(line),
    note(
      `a line of the agent's was not read: its JSON is nested deeper than ${String(deepest)} levels`,
    ),
  ];
}

/** More US dollars than one session can cost: whoever tells more is mistaken, or wants to use up a budget. */
const mostCostUsd = 10_000;

/**
 * What a session has cost by what its agent tells. Costs only grow, and what can't be is not counted.
 * @param before the last that counted
 */
export function countCost(
  told: number | null,
  before: number | null,
): { readonly costUsd: number | null; readonly doubt: AgentEvent | undefined } {
  if (told === null) return { costUsd: before, doubt: undefined };
  if (told >= 0 && told <= mostCostUsd) {
    return { costUsd: Math.max(told, before ?? 0), doubt: undefined };
  }
  const doubt = note(
    `the agent told a cost of ${String(told)} US dollars, which is not counted: 0 to ${String(mostCostUsd)} is taken`,
  );
  return { costUsd: before, doubt };
}

export function usageEvent(usage: AgentUsage): AgentEvent {
  return { type: "usage", payload: usage };
}

/** The end of a message that came in parts: what an agent concludes stands last. */
export function appendToMessage(before: string | null, text: string): string {
  const whole = `${before ?? ""}${text}`;
  if (whole.length <= longestSummary) return whole;
  const start = whole.length - longestSummary;
  return whole.slice(isLowSurrogate(whole, start) ? start + 1 : start);
}

/** Half of a surrogate pair can't be stored. */
function beforeHalfPair(text: string, end: number): number {
  return isLowSurrogate(text, end) ? end - 1 : end;
}

function isLowSurrogate(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  return unit >= 0xdc00 && unit <= 0xdfff;
}
