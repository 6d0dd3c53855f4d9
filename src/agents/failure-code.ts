// By which code programs tell why an agent failed: from what its program says in fields, and only then from
// its words. The words are those of a turn that has failed; what an agent merely says is notice.ts's.
import type { AgentFailureCode } from "../errors.ts";
import { isObject, numberIn, objectIn, parseObject, textIn, type JsonObject } from "./json.ts";

export interface FailureFacts {
  /** The program's own names for what went wrong, such as rate_limit or usageLimitExceeded; the first known counts. */
  readonly kinds?: readonly (string | undefined)[];
  /** The HTTP status that the model's server answered with. */
  readonly status?: number | undefined;
  readonly words?: string | undefined;
}

/** null: nothing known tells. */
export function failureCodeOf(facts: FailureFacts): AgentFailureCode | null {
  const { words = "" } = facts;
  const inner = errorIn(words);
  const kinds = [
    ...(facts.kinds ?? []),
    textIn(inner, "status"),
    textIn(inner, "type"),
    textIn(inner, "code"),
  ];
  const named = kinds.map((kind) => codeOfKind(kind)).find((code) => code !== undefined);
  const told = codeOfWords(words);
  // A used up account is told as a limit of the rate, as a refused login, and by statuses of all kinds.
  if (told === "USAGE_LIMIT" && named !== "LOGIN_REQUIRED") return told;
  return named ?? codeOfStatus(facts.status ?? numberIn(inner, "code"), told) ?? told;
}

/** What a provider answered is quoted as JSON inside of words. An empty object: it isn't. */
export function errorIn(words: string): JsonObject {
  const start = words.indexOf("{");
  if (start === -1) return {};
  const object = parseObject(words.slice(start, words.lastIndexOf("}") + 1)) ?? {};
  return isObject(object["error"]) ? objectIn(object, "error") : object;
}

function codeOfKind(kind: string | undefined): AgentFailureCode | undefined {
  if (kind === undefined) return undefined;
  const plain = kind.toLowerCase().replace(/[^a-z]/g, "");
  return Object.hasOwn(codesOfKinds, plain) ? codesOfKinds[plain] : undefined;
}

/** In small letters without what parts their words, as the same name comes in several spellings. */
const codesOfKinds: Readonly<Record<string, AgentFailureCode>> = {
  // claude: error of an assistant's line and of api_retry, errorKind over the protocol
  authenticationfailed: "LOGIN_REQUIRED",
  oauthorgnotallowed: "LOGIN_REQUIRED",
  accountonhold: "LOGIN_REQUIRED",
  verificationrequired: "LOGIN_REQUIRED",
  cloudcredentialerror: "LOGIN_REQUIRED",
  billingerror: "USAGE_LIMIT",
  ratelimit: "RATE_LIMITED",
  overloaded: "OVERLOADED",
  servererror: "OVERLOADED",
  modelnotfound: "MODEL_UNKNOWN",
  // claude: terminal_reason
  prompttoolong: "CONTEXT_EXHAUSTED",
  rapidrefillbreaker: "CONTEXT_EXHAUSTED",
  blockinglimit: "CONTEXT_EXHAUSTED",
  // codex: codexErrorInfo
  contextwindowexceeded: "CONTEXT_EXHAUSTED",
  sessionbudgetexceeded: "USAGE_LIMIT",
  usagelimitexceeded: "USAGE_LIMIT",
  ratelimitexceeded: "RATE_LIMITED",
  serveroverloaded: "OVERLOADED",
  internalservererror: "OVERLOADED",
  unauthorized: "LOGIN_REQUIRED",
  // Google's status of an error, and gemini's names for its own errors
  unauthenticated: "LOGIN_REQUIRED",
  resourceexhausted: "RATE_LIMITED",
  unavailable: "OVERLOADED",
  fatalauthenticationerror: "LOGIN_REQUIRED",
  terminalquotaerror: "USAGE_LIMIT",
  retryablequotaerror: "RATE_LIMITED",
  modelnotfounderror: "MODEL_UNKNOWN",
  // opencode: name of an error
  providerautherror: "LOGIN_REQUIRED",
  providermodelnotfounderror: "MODEL_UNKNOWN",
  contextoverflowerror: "CONTEXT_EXHAUSTED",
  messageoutputlengtherror: "CONTEXT_EXHAUSTED",
  // Anthropic's and OpenAI's own types and codes of errors, which some pass on
  authenticationerror: "LOGIN_REQUIRED",
  invalidapikey: "LOGIN_REQUIRED",
  ratelimiterror: "RATE_LIMITED",
  overloadederror: "OVERLOADED",
  insufficientquota: "USAGE_LIMIT",
  contextlengthexceeded: "CONTEXT_EXHAUSTED",
};

function codeOfStatus(
  status: number | undefined,
  told: AgentFailureCode | null,
): AgentFailureCode | undefined {
  if (status === undefined) return undefined;
  if (status >= 500 && status <= 599) return "OVERLOADED";
  switch (status) {
    case 401:
      return "LOGIN_REQUIRED";
    case 402:
      return "USAGE_LIMIT";
    case 403:
      return told ?? "LOGIN_REQUIRED";
    case 413:
      return "CONTEXT_EXHAUSTED";
    case 429:
      return "RATE_LIMITED";
    default:
      return undefined;
  }
}

/** The first that fits: the limits of an account are told with statuses that mean other things too. */
const codesOfWords: readonly (readonly [RegExp, AgentFailureCode])[] = [
  // Google tells of a minute's quota as of a used up one, and when to try again.
  [/\bretry in \d[\d.]*s\b/i, "RATE_LIMITED"],
  [
    /\b(?:hit|reached|exceeded) your (?:[\w'’-]+ ){0,4}(?:limit|quota)\b|(?<!not your )\busage limit\b|out of (?:extra )?usage\b|insufficient[_ ]quota|exhausted your (?:daily quota|capacity)|TerminalQuotaError|credit balance is too low|billing[_ ]error|payment required|spend(?:ing)? limit/i,
    "USAGE_LIMIT",
  ],
  [
    /context[_ ](?:window|length)|maximum context|(?:prompt|input|conversation|request) (?:is|was) too (?:long|large)|exceeds? the (?:model's )?(?:context|maximum number of (?:input )?tokens)|input token count/i,
    "CONTEXT_EXHAUSTED",
  ],
  [
    /model[_ ]?not[_ ]?found|unknown model|no such model|\bmodels?\b[^\n]{0,100}(?:not found|not exist|doesn['’]t exist|isn['’]t available|not (?:available|supported)|no access)/i,
    "MODEL_UNKNOWN",
  ],
  [
    /\b401\b|unauthori[sz]ed|unauthenticated|authenticat|(?:invalid|incorrect|missing) api key|api key (?:is )?(?:not valid|invalid|missing)|not logged in|please run \/login/i,
    "LOGIN_REQUIRED",
  ],
  [/\b429\b|rate[ _-]?limit|too many requests|RESOURCE_EXHAUSTED/i, "RATE_LIMITED"],
  [
    /overloaded|high demand|at capacity|(?:error|status|code)\W{0,3}\b5\d\d\b|\b5\d\d (?:internal server error|bad gateway|service unavailable|gateway time-?out)|internal server error|service (?:is )?(?:temporarily )?unavailable/i,
    "OVERLOADED",
  ],
];

/** Of the words of a failure alone: ordinary talk holds many of these. */
export function codeOfWords(words: string): AgentFailureCode | null {
  return codesOfWords.find(([pattern]) => pattern.test(words))?.[1] ?? null;
}
