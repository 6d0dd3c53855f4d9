// What is left out of an agent's words before they are kept: secrets, also those that come in two pieces.
import type { AgentEvent } from "../../agents/talk.ts";
import { redactAll, type Redact, type Secrets } from "../secrets.ts";
import { mergeTexts } from "./merge.ts";
import type { StoredTalk } from "./stored.ts";

export interface Words {
  readonly events: readonly AgentEvent[];
  /** No more comes that the last could go on with. */
  readonly isWhole: boolean;
}

export function hideSecrets(
  { redact, createRedactor }: Pick<Secrets, "redact" | "createRedactor">,
  { events, isWhole }: Words,
): { readonly shown: readonly AgentEvent[]; readonly held: AgentEvent | null } {
  const merged = mergeTexts(events);
  const last = merged.at(-1);
  const text = last === undefined || isWhole ? undefined : textOf(last);
  if (last === undefined || text === undefined) {
    return { shown: redactAll(redact, merged), held: null };
  }
  const whole = createRedactor();
  const shown = whole.push(text);
  const rest = whole.held();
  // The last letter of a word: most words end in one with which some secret begins.
  const isWord = rest.length === 1 && /[A-Za-z0-9]$/.test(shown);
  if (rest === "" || isWord) return { shown: redactAll(redact, merged), held: null };
  const before = redactAll(redact, merged.slice(0, -1));
  return {
    shown: shown === "" ? before : [...before, redactAll(redact, withText(last, shown))],
    held: withText(last, rest),
  };
}

/** Of events that the next one of their kind goes on with: see mergeTexts. */
function textOf(event: AgentEvent): string | undefined {
  if (event.type === "output") return event.payload.text;
  if (event.type === "message") {
    return event.payload.role === "USER" ? undefined : event.payload.text;
  }
  const goesOn = event.type === "toolCall" && event.goesOn === true;
  return goesOn ? (event.payload.content ?? undefined) : undefined;
}

function withText(event: AgentEvent, text: string): AgentEvent {
  if (event.type === "output") return { ...event, payload: { ...event.payload, text } };
  if (event.type === "message") return { ...event, payload: { ...event.payload, text } };
  if (event.type === "toolCall") return { ...event, payload: { ...event.payload, content: text } };
  return event;
}

/** What a talk's state tells others; the rest of it is the protocol's own, and may be said to the agent. */
export function hideInState(redact: Redact, state: StoredTalk["state"]): StoredTalk["state"] {
  const { lastMessage, verdict, retrying } = state;
  return {
    ...state,
    lastMessage: lastMessage === null ? null : redact(lastMessage),
    verdict: redactAll(redact, verdict),
    ...(retrying == null ? {} : { retrying: redact(retrying) }),
  };
}
