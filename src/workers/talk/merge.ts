// Which of an agent's events are told as one.
import { cut } from "../../agents/said.ts";
import type { AgentEvent } from "../../agents/talk.ts";

/** Agents send their words in small pieces, and print by lines: what came at once is one event. */
export function mergeTexts(events: readonly AgentEvent[]): AgentEvent[] {
  const merged: AgentEvent[] = [];
  for (const event of events) {
    const whole = mergeTwo(merged.at(-1), event);
    if (whole === undefined) merged.push(event);
    else merged[merged.length - 1] = whole;
  }
  return merged;
}

function mergeTwo(before: AgentEvent | undefined, event: AgentEvent): AgentEvent | undefined {
  if (event.type === "message" && before?.type === "message") {
    const { role, text } = before.payload;
    if (role !== event.payload.role || role === "USER") return undefined;
    return { type: "message", payload: { role, text: text + event.payload.text } };
  }
  if (event.type === "toolCall" && before?.type === "toolCall") {
    const { toolCallId, content } = before.payload;
    if (event.goesOn !== true || before.goesOn !== true) return undefined;
    if (event.payload.toolCallId !== toolCallId) return undefined;
    const whole = `${content ?? ""}${event.payload.content ?? ""}`;
    return { ...event, payload: { ...event.payload, content: cut(whole) } };
  }
  // Each tells the whole.
  if (event.type === "usage" && before?.type === "usage") return event;
  if (event.type === "output" && before?.type === "output") {
    const { channel, text } = before.payload;
    if (channel !== event.payload.channel) return undefined;
    return { type: "output", payload: { channel, text: text + event.payload.text } };
  }
  return undefined;
}
