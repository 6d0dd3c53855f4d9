// What a program says in its agent's place, as if the model had said it: that a limit is reached, that there is no
// login. Some end their turn well after it.
import type { AgentFailureCode } from "../errors.ts";

/** Longer is no notice. */
const longestNotice = 400;

/** A whole message, in the programs' own wording, that no model gives for its answer. */
const notices: readonly (readonly [RegExp, AgentFailureCode])[] = [
  // claude: "You've hit your session limit · resets 3pm (UTC)"
  [
    /^You['’]ve (?:hit|reached) your (?:[\w'’-]+ ){0,4}limit(?: for [\w .-]+)?\s*[·∙|]\s*\S/,
    "USAGE_LIMIT",
  ],
  [/^Claude (?:AI )?usage limit reached(?:[.|]|$)/, "USAGE_LIMIT"],
  [/^You['’]re out of (?:extra )?usage(?: credits)?\s*[·∙|]\s*\S/, "USAGE_LIMIT"],
  [/^Credit balance is too low\.?$/, "USAGE_LIMIT"],
  [/^(?:Invalid API key|Not logged in)\s*[·∙|]\s*Please run \/login\.?$/, "LOGIN_REQUIRED"],
  [/^Prompt is too long\.?$/, "CONTEXT_EXHAUSTED"],
  // codex: "You've hit your usage limit. Upgrade to Pro …, or try again at …"
  [
    /^You['’]ve hit your usage limit(?: for [\w .-]+)?\. .*(?:try again|upgrade|purchase|credits)/i,
    "USAGE_LIMIT",
  ],
  // gemini
  [/^You have exhausted your (?:daily quota|capacity) on this model\b/, "USAGE_LIMIT"],
];

/** The same without what makes it sure: only where the model was plainly not asked. */
const likelyNotices: readonly (readonly [RegExp, AgentFailureCode])[] = [
  [/^You['’]ve (?:hit|reached) your (?:[\w'’-]+ ){0,4}limit\b/, "USAGE_LIMIT"],
  [/^API Error: (?:Request rejected \()?(?:429)\b/, "RATE_LIMITED"],
  [/^API Error: (?:Repeated )?5\d\d\b/, "OVERLOADED"],
  [/^(?:Failed to authenticate\. )?API Error: 401\b/, "LOGIN_REQUIRED"],
];

/**
 * What a message is the notice of; null: none.
 * @param isAlone the turn brought nothing else, neither a tool call nor tokens
 */
export function noticeIn(message: string | null, isAlone: boolean): AgentFailureCode | null {
  const text = message?.trim() ?? "";
  if (text === "" || text.length > longestNotice || text.includes("\n")) return null;
  const known = isAlone ? [...notices, ...likelyNotices] : notices;
  return known.find(([pattern]) => pattern.test(text))?.[1] ?? null;
}
