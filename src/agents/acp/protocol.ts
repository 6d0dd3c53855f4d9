// The Agent Client Protocol, version 1, over stdio: https://agentclientprotocol.com
import type { CLIENT_METHODS, PROTOCOL_METHODS } from "@agentclientprotocol/sdk";
import { endedEarly, failure } from "../reason.ts";
import { retryInErrors } from "../retry.ts";
import { output, unread } from "../said.ts";
import type { Protocol, Step } from "../talk.ts";
import {
  methodNotFoundLine,
  notificationLine,
  parseMessage,
  type CalledMethod,
  type Incoming,
  type RpcId,
} from "./messages.ts";
import {
  initialize,
  onAuthenticated,
  onInitialized,
  onModeRefused,
  onSession,
  onSessionRefused,
  sendFirstPrompt,
  sendPrompt,
} from "./opening.ts";
import {
  answerAsked,
  cancelAllAsked,
  onPermissionRequested,
  onRequestCancelled,
} from "./permissions.ts";
import { change, draftOf, end, initialState, type AcpState, type Draft } from "./state.ts";
import { failureOfError, onTurnEnded, onTurnFailed } from "./turn.ts";
import { onUpdate } from "./updates.ts";

/** Of the SDK's types alone: what it holds at run time takes a server 28 MB. */
const methods = {
  update: "session/update" satisfies (typeof CLIENT_METHODS)["session_update"],
  requestPermission:
    "session/request_permission" satisfies (typeof CLIENT_METHODS)["session_request_permission"],
  cancelRequest: "$/cancel_request" satisfies (typeof PROTOCOL_METHODS)["cancel_request"],
};

export const acp: Protocol<AcpState> = {
  isSpokenTo: true,
  hasStartLimit: true,

  begin(start) {
    const draft = draftOf(initialState(start));
    initialize(draft);
    return draft;
  },

  read(state, line): Step<AcpState> {
    const draft = draftOf(state);
    readMessage(draft, parseMessage(line), line);
    return draft;
  },

  ask(state, request) {
    const draft = draftOf(state);
    switch (request.kind) {
      case "message":
        if (state.phase !== "idle") {
          throw new Error(`a message for an agent that is ${state.phase}, not idle`);
        }
        sendPrompt(draft, request.text);
        break;
      case "answer":
        answerAsked(draft, request.requestId, request.optionId);
        break;
      case "interrupt":
        interrupt(draft);
        break;
    }
    return draft;
  },

  readError: (state, text) => {
    const retrying = retryInErrors(text);
    return retrying === undefined || state.phase !== "busy" ? state : { ...state, retrying };
  },

  waitsFor: ({ sent }) => Object.values(sent).at(-1),

  conclude: (state, exit) => state.verdict ?? endedEarly(exit, state.trouble),
};

/** An extension of claude's and codex's adapters: which account they use, at each start. */
const accountNotification = "_auth/status_update";

function readMessage(draft: Draft, incoming: Incoming, line: string): void {
  switch (incoming.kind) {
    case "notification":
      if (incoming.method === methods.update) {
        onUpdate(draft, incoming.params, line);
      } else if (incoming.method === methods.cancelRequest) {
        onRequestCancelled(draft, incoming.params);
      } else if (incoming.method !== accountNotification) {
        draft.events.push(output(line));
      }
      break;
    case "request":
      if (incoming.method === methods.requestPermission) {
        onPermissionRequested(draft, incoming.id, incoming.params, line);
      } else {
        draft.events.push(output(line));
        draft.lines.push(methodNotFoundLine(incoming.id, incoming.method));
      }
      break;
    case "result":
    case "error": {
      const method = takeSent(draft, incoming.id);
      if (method === undefined) draft.events.push(output(line));
      else if (draft.state.phase !== "ended") onResponse(draft, method, incoming);
      break;
    }
    case "other":
      draft.events.push(...unread(line));
      break;
  }
}

/** What the response with that id answers; undefined: nothing that was asked. */
function takeSent(draft: Draft, id: RpcId): CalledMethod | undefined {
  const key = String(id);
  const { sent } = draft.state;
  if (!Object.hasOwn(sent, key)) return undefined;
  const { [key]: method, ...others } = sent;
  change(draft, { sent: others });
  return method;
}

function onResponse(
  draft: Draft,
  method: CalledMethod,
  response: Extract<Incoming, { kind: "result" | "error" }>,
): void {
  const failed = response.kind === "error";
  switch (method) {
    case "initialize":
      if (failed) end(draft, failureOfError(response.error));
      else onInitialized(draft, response.result);
      break;
    case "authenticate":
      if (failed) end(draft, failureOfError({ ...response.error, code: 401 }));
      else onAuthenticated(draft);
      break;
    case "session/new":
    case "session/load":
      if (failed) onSessionRefused(draft, method === "session/load", response.error);
      else onSession(draft, response.result);
      break;
    case "session/set_mode":
      if (failed) onModeRefused(draft, response.error);
      else sendFirstPrompt(draft);
      break;
    case "session/prompt":
      if (failed) onTurnFailed(draft, response.error);
      else onTurnEnded(draft, response.result);
      break;
  }
}

function interrupt(draft: Draft): void {
  cancelAllAsked(draft);
  const { phase, conversationId } = draft.state;
  if (phase === "starting") end(draft, failure("the agent was interrupted before its first turn"));
  if (phase === "busy" && conversationId !== null) {
    draft.lines.push(notificationLine("session/cancel", { sessionId: conversationId }));
  }
}
