// From the agent's start to its first turn: initialize, a session new or loaded, its mode, the prompt.
import type {
  ContentBlock,
  InitializeRequest,
  McpServer,
  PromptRequest,
} from "@agentclientprotocol/sdk";
import { failure, plain } from "../reason.ts";
import { isObject, listIn, numberIn, objectIn, textIn, type JsonObject } from "../json.ts";
import { modeFor, nameToLoad } from "./profile.ts";
import { call, change, end, protocolVersion, type AgentOffers, type Draft } from "./state.ts";
import { failureOfError, isAboutLogin } from "./turn.ts";

export function initialize(draft: Draft): void {
  const params: InitializeRequest = {
    protocolVersion,
    clientInfo: { name: "factory", title: "Factory", version: "1" },
    // The agent has the worktree itself: nothing of it lies in an editor. What codex' commands print it is to
    // tell in pieces.
    clientCapabilities: {
      fs: { readTextFile: false, writeTextFile: false },
      terminal: false,
      _meta: { terminal_output_delta: true },
    },
  };
  call(draft, "initialize", params);
}

export function onInitialized(draft: Draft, result: unknown): void {
  const version = numberIn(result, "protocolVersion");
  if (version !== protocolVersion) {
    const said = version === undefined ? "no version" : `version ${String(version)}`;
    const reason = `the agent speaks ${said} of the Agent Client Protocol, and Factory version ${String(protocolVersion)}: install a release of the agent that speaks it too`;
    end(draft, failure(reason, "AGENT_UNAVAILABLE"));
    return;
  }
  change(draft, { offers: readOffers(result) });
  openSession(draft);
}

function readOffers(result: unknown): AgentOffers {
  const capabilities = objectIn(result, "agentCapabilities");
  // An agent's other ways to log in open a browser, or ask.
  const byKey = listIn(result, "authMethods").find((method) =>
    isObject(objectIn(method, "_meta")["api-key"]),
  );
  return {
    agent: textIn(objectIn(result, "agentInfo"), "name") ?? "",
    loadSession: capabilities["loadSession"] === true,
    mcpHttp: objectIn(capabilities, "mcpCapabilities")["http"] === true,
    keyMethod: textIn(byKey, "id") ?? null,
  };
}

function openSession(draft: Draft): void {
  const { opening, worktree, offers } = draft.state;
  if (opening === null) return;
  const common = { cwd: worktree, mcpServers: offeredServers(draft) };
  if (opening.resume !== null && opening.resume !== undefined && offers.loadSession) {
    const conversationId = nameToLoad(offers.agent, opening.resume.conversationId);
    change(draft, { isLoading: true, conversationId });
    call(draft, "session/load", { ...common, sessionId: conversationId });
    return;
  }
  if (opening.resume !== null && opening.resume !== undefined) startAnew(draft, opening.resume);
  call(draft, "session/new", common);
}

/** The conversation can't be resumed: a new one is told what it was about. */
function startAnew(draft: Draft, resume: { readonly promptIfNew: string }): void {
  const { opening } = draft.state;
  if (opening === null) return;
  // Those who watch were told what it was to hear.
  draft.events.push({ type: "message", payload: { role: "USER", text: resume.promptIfNew } });
  change(draft, {
    isLoading: false,
    conversationId: null,
    costBefore: 0,
    opening: { ...opening, prompt: resume.promptIfNew, resume: null },
  });
}

function offeredServers(draft: Draft): McpServer[] {
  const { opening, offers } = draft.state;
  if (opening === null || !offers.mcpHttp) return [];
  return opening.mcpServers.map(({ name, url, headers }) => ({
    type: "http",
    name,
    url,
    headers: Object.entries(headers).map(([header, value]) => ({ name: header, value })),
  }));
}

export function onSession(draft: Draft, result: unknown): void {
  const { opening, isLoading } = draft.state;
  if (opening === null) return;
  const conversationId = textIn(result, "sessionId") ?? draft.state.conversationId;
  if (conversationId === null) {
    end(draft, failure("the agent opened a session without naming it"));
    return;
  }
  change(draft, {
    conversationId,
    isSpeaking: false,
    toolCalls: [],
    opening: { ...opening, mcpServers: [] },
  });
  const modes = objectIn(result, "modes");
  const mode = modeFor(draft.state.offers.agent, draft.state.permissions);
  const isOffered = listIn(modes, "availableModes").some(
    (offered) => textIn(offered, "id") === mode,
  );
  // gemini goes on with the history after it has answered: the answer to this comes when that is told.
  const isNeeded = isLoading || textIn(modes, "currentModeId") !== mode;
  if (mode === undefined || !isOffered || !isNeeded) {
    sendFirstPrompt(draft);
    return;
  }
  call(draft, "session/set_mode", { sessionId: conversationId, modeId: mode });
}

export function onSessionRefused(draft: Draft, wasLoad: boolean, error: JsonObject): void {
  const { opening, offers } = draft.state;
  if (opening === null) return;
  if (isAboutLogin(error)) {
    if (offers.keyMethod === null) {
      end(draft, failureOfError(error));
      return;
    }
    change(draft, { offers: { ...offers, keyMethod: null }, isLoading: false });
    call(draft, "authenticate", { methodId: offers.keyMethod });
    return;
  }
  if (wasLoad && opening.resume !== null && opening.resume !== undefined) {
    startAnew(draft, opening.resume);
    openSession(draft);
    return;
  }
  end(draft, failureOfError(error));
}

export function onAuthenticated(draft: Draft): void {
  openSession(draft);
}

export function onModeRefused(draft: Draft, error: JsonObject): void {
  // In the mode that it has instead, it might do unasked what it should ask for.
  if (draft.state.permissions === "ALLOW") {
    sendFirstPrompt(draft);
    return;
  }
  const words = plain(textIn(error, "message") ?? "it didn't say why");
  end(draft, failure(`the agent can't be made to ask before it acts: ${words}`));
}

export function sendFirstPrompt(draft: Draft): void {
  const { opening } = draft.state;
  if (opening === null) return;
  change(draft, { opening: null, isLoading: false });
  sendPrompt(draft, opening.prompt);
}

/** Begins a turn. */
export function sendPrompt(draft: Draft, text: string): void {
  const { conversationId } = draft.state;
  if (conversationId === null) throw new Error("a prompt before there is a session");
  const prompt: ContentBlock[] = [{ type: "text", text }];
  const params: PromptRequest = { sessionId: conversationId, prompt };
  call(draft, "session/prompt", params);
  change(draft, {
    phase: "busy",
    verdict: null,
    turns: draft.state.turns + 1,
    isSpeaking: false,
    messageId: null,
    toolEnded: false,
    systemError: false,
    trouble: null,
    troubleFacts: null,
    refused: null,
    did: "nothing",
    retrying: null,
  });
}
