// JSON-RPC 2.0, one message a line, as the Agent Client Protocol has it on stdio.
//
// The SDK gives its types and names, but its connection isn't used: that holds what was asked and what is
// to be answered in promises of one process, while a talk here outlives its server. So requests, their
// ids and what they were for are part of the stored state.

import type { AGENT_METHODS } from "@agentclientprotocol/sdk";
import { isObject, parseObject, textIn, type JsonObject } from "../json.ts";

export type RpcId = string | number;

export type Incoming =
  | {
      readonly kind: "request";
      readonly id: RpcId;
      readonly method: string;
      readonly params: unknown;
    }
  | { readonly kind: "notification"; readonly method: string; readonly params: unknown }
  | { readonly kind: "result"; readonly id: RpcId; readonly result: unknown }
  | { readonly kind: "error"; readonly id: RpcId; readonly error: JsonObject }
  /** Not JSON, or no message of JSON-RPC. */
  | { readonly kind: "other" };

export function parseMessage(line: string): Incoming {
  const value = parseObject(line);
  if (value === undefined) return { kind: "other" };
  const id = value["id"];
  const hasId = typeof id === "string" || typeof id === "number";
  const method = textIn(value, "method");
  if (method !== undefined) {
    const params = value["params"];
    if (hasId) return { kind: "request", id, method, params };
    return id === undefined ? { kind: "notification", method, params } : { kind: "other" };
  }
  if (!hasId) return { kind: "other" };
  const error = value["error"];
  if (isObject(error)) return { kind: "error", id, error };
  return "result" in value ? { kind: "result", id, result: value["result"] } : { kind: "other" };
}

/** The methods of the agent's that Factory calls, by the SDK's own names. */
export type CalledMethod = (typeof AGENT_METHODS)[
  | "initialize"
  | "authenticate"
  | "session_new"
  | "session_load"
  | "session_set_mode"
  | "session_prompt"];

export function requestLine(id: number, method: CalledMethod, params: unknown): string {
  return JSON.stringify({ jsonrpc: "2.0", id, method, params });
}

export function notificationLine(
  method: typeof AGENT_METHODS.session_cancel,
  params: unknown,
): string {
  return JSON.stringify({ jsonrpc: "2.0", method, params });
}

export function resultLine(id: RpcId, result: unknown): string {
  return JSON.stringify({ jsonrpc: "2.0", id, result });
}

/** JSON-RPC 2.0, 5.1: the method does not exist or is not available. */
export function methodNotFoundLine(id: RpcId, method: string): string {
  const error = { code: -32601, message: `Factory doesn't offer ${method}` };
  return JSON.stringify({ jsonrpc: "2.0", id, error });
}
