// The events that all protocols make alike.
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
