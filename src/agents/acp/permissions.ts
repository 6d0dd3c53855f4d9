// What the agent asks permission for, and who answers: the session's policy, or somebody.
import type { PermissionOptionKind, RequestPermissionResponse } from "@agentclientprotocol/sdk";
import { callsIn, findCall } from "../calls.ts";
import { listIn, objectIn, textIn } from "../json.ts";
import { output } from "../said.ts";
import type { AgentPermission } from "../talk.ts";
import { readAction } from "./action.ts";
import { resultLine, type RpcId } from "./messages.ts";
import { change, goOn, type AcpState, type Draft } from "./state.ts";
import { isOutside, shortTitle } from "./tool-calls.ts";

/** More than any agent asks at once; the oldest ones are given up. */
const mostAsked = 100;

export function onPermissionRequested(
  draft: Draft,
  rpcId: RpcId,
  params: unknown,
  line: string,
): void {
  goOn(draft, "worked");
  const { state } = draft;
  const toolCall = objectIn(params, "toolCall");
  const toolCallId = textIn(toolCall, "toolCallId") ?? null;
  const known = findCall(callsIn(state.toolCalls), toolCallId ?? "");
  const options = listIn(params, "options").flatMap((option) => {
    const id = textIn(option, "optionId");
    if (id === undefined) return [];
    return [{ id, name: textIn(option, "name") ?? id, kind: textIn(option, "kind") ?? "other" }];
  });
  const leavesWorktree = isOutside(toolCall, state.worktree) || known?.isOutside === true;
  const choice = chooseByPolicy(state, options, leavesWorktree);
  const request: AgentPermission = {
    // Numbers alone would come again in the session's next attempt.
    id: `${(state.conversationId ?? "").slice(-12)}-${String(state.askedCount + 1)}`,
    title: shortTitle(textIn(toolCall, "title") ?? known?.title ?? "use a tool"),
    ...readAction(toolCall, known?.action),
    options,
    answer: typeof choice === "object" ? choice.id : null,
  };
  if (state.permissions === "DENY") change(draft, { refused: request.title });
  if (choice === "cancel") {
    // Nothing to choose from, so there is no request that could be shown as answered.
    draft.events.push(output(line));
    draft.lines.push(resultLine(rpcId, cancelled));
    return;
  }
  change(draft, { askedCount: state.askedCount + 1 });
  draft.events.push({ type: "permission", payload: { request } });
  if (typeof choice === "object") {
    draft.lines.push(resultLine(rpcId, selected(choice.id)));
    return;
  }
  change(draft, { asked: { ...draft.state.asked, [request.id]: { rpcId, request, toolCallId } } });
  const [oldest] = Object.keys(draft.state.asked);
  if (oldest !== undefined && Object.keys(draft.state.asked).length > mostAsked) {
    answerAsked(draft, oldest, null);
  }
}

/** An option, somebody's choice, or none at all. */
type Choice = { readonly id: string } | "ask" | "cancel";

function chooseByPolicy(
  state: AcpState,
  options: AgentPermission["options"],
  leavesWorktree: boolean,
): Choice {
  const first = (...kinds: PermissionOptionKind[]): { readonly id: string } | undefined =>
    kinds.flatMap((kind) => options.find((option) => option.kind === kind) ?? [])[0];
  if (options.length === 0) return "cancel";
  switch (state.permissions) {
    case "ASK":
      return "ask";
    case "ALLOW":
      return leavesWorktree ? "ask" : (first("allow_once", "allow_always") ?? "ask");
    case "DENY":
      return first("reject_once", "reject_always") ?? "cancel";
  }
}

/** @param optionId null: nobody will answer, which ends the turn with most agents */
export function answerAsked(draft: Draft, requestId: string, optionId: string | null): void {
  const asked = draft.state.asked[requestId];
  // It was withdrawn, or its turn has ended: nobody waits for the answer any more.
  if (asked === undefined) return;
  const { [requestId]: _answered, ...others } = draft.state.asked;
  change(draft, { asked: others });
  draft.lines.push(resultLine(asked.rpcId, optionId === null ? cancelled : selected(optionId)));
  const option = asked.request.options.find(({ id }) => id === optionId);
  if (option?.kind.startsWith("reject") === true) change(draft, { refused: asked.request.title });
  if (optionId !== null) {
    const request = { ...asked.request, answer: optionId };
    draft.events.push({ type: "permission", payload: { request } });
  }
}

export function cancelAllAsked(draft: Draft): void {
  for (const requestId of Object.keys(draft.state.asked)) answerAsked(draft, requestId, null);
}

/** The agent no longer wants to know. */
export function onRequestCancelled(draft: Draft, params: unknown): void {
  const rpcId = objectIn({ params }, "params")["requestId"];
  for (const [requestId, asked] of Object.entries(draft.state.asked)) {
    if (asked.rpcId === rpcId) answerAsked(draft, requestId, null);
  }
}

const cancelled: RequestPermissionResponse = { outcome: { outcome: "cancelled" } };

function selected(optionId: string): RequestPermissionResponse {
  return { outcome: { outcome: "selected", optionId } };
}
