// What the tests of agents that are spoken to share.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Collected } from "./collect.ts";
import type { FactoryServer } from "./factory.ts";

/** A FACTORY_AGENTS file with the scripted agent under several names; see acp-agent.ts. */
export async function writeScriptedAgents(folder: string): Promise<string> {
  const program = join(import.meta.dirname, "acp-agent.ts");
  const scripted = (...options: string[]) => ({
    command: [process.execPath, program, ...options],
    protocol: "acp",
  });
  const agents = {
    scripted: scripted(),
    silent: scripted("--silent"),
    late: scripted("--silent-once", join(folder, "late-started")),
    forgetful: scripted("--no-load"),
    foreign: scripted("--protocol-version", "99"),
    mute: { command: ["true"], protocol: "acp" },
    plain: { command: ["true"], protocol: "plain" },
    headless: { command: ["true"], protocol: "claude-stream-json" },
  };
  const file = join(folder, "scripted-agents.json");
  await writeFile(file, JSON.stringify({ agents }));
  return file;
}

export interface TalkEvent {
  readonly __typename: string;
  readonly sequence: number;
  readonly status?: string;
  readonly reason?: string | null;
  readonly role?: string;
  readonly text?: string;
  readonly channel?: string;
  readonly toolCallId?: string;
  readonly title?: string;
  readonly kind?: string | null;
  readonly toolCallStatus?: string;
  readonly content?: string | null;
  readonly usage?: { inputTokens: number; outputTokens: number; costUsd: number | null };
  readonly request?: PermissionRequest;
}

export interface PermissionRequest {
  readonly id: string;
  readonly title: string;
  readonly command: string | null;
  readonly kind: string | null;
  readonly locations: readonly string[];
  readonly diff: string | null;
  readonly answer: string | null;
  readonly options: readonly { id: string; name: string; kind: string }[];
}

const requestFields = "id title command kind locations diff answer options { id name kind }";

const talkSubscription = `subscription ($id: ID!, $after: Int) {
  workerEvents(id: $id, after: $after) {
    __typename sequence
    ... on WorkerStatusEvent { status reason }
    ... on WorkerOutputEvent { channel text }
    ... on WorkerMessageEvent { role text }
    ... on WorkerToolCallEvent { toolCallId title kind toolCallStatus content }
    ... on WorkerUsageEvent { usage { inputTokens outputTokens costUsd } }
    ... on WorkerPermissionEvent { request { ${requestFields} } }
  }
}`;

export function followTalk(
  server: FactoryServer,
  id: string,
  after = 0,
): Collected<{ workerEvents: TalkEvent }> {
  return server.subscribe(talkSubscription, { id, after });
}

/** All that the worker did, when it has ended. */
export async function hearAll(server: FactoryServer, id: string): Promise<TalkEvent[]> {
  const followed = followTalk(server, id);
  await followed.completed;
  return followed.messages.map(({ workerEvents }) => workerEvents);
}

/** Resolves once the agent has said the text. */
export async function untilSaid(server: FactoryServer, id: string, text: string): Promise<void> {
  const followed = followTalk(server, id);
  const said = () =>
    followed.messages
      .map(({ workerEvents: { role, text: words } }) => (role === "AGENT" ? (words ?? "") : ""))
      .join("");
  await followed.until(() => said().includes(text));
  followed.end();
}

/** What the agent said, in one piece. */
export function wordsOf(events: readonly TalkEvent[], role = "AGENT"): string {
  return events.map((event) => (event.role === role ? (event.text ?? "") : "")).join("");
}

/** Resolves with the permission request that waits, as soon as there is one. */
export async function untilAsked(server: FactoryServer, id: string): Promise<PermissionRequest> {
  const followed = followTalk(server, id);
  await followed.until((all) => all.some(({ workerEvents }) => workerEvents.status === "WAITING"));
  followed.end();
  const [request] = await pendingOf(server, id);
  if (request === undefined) throw new Error("it is WAITING, and asks for nothing");
  return request;
}

export async function pendingOf(server: FactoryServer, id: string): Promise<PermissionRequest[]> {
  const { workerSession } = await server.query<{
    workerSession: { pendingPermissions: PermissionRequest[] };
  }>(`query ($id: ID!) { workerSession(id: $id) { pendingPermissions { ${requestFields} } } }`, {
    id,
  });
  return workerSession.pendingPermissions;
}

export const answerMutation = `mutation ($input: AnswerPermissionInput!) {
  answerPermission(input: $input) { worker { name status } }
}`;

export async function answer(
  server: FactoryServer,
  input: { readonly id: string; readonly requestId: string; readonly optionId: string },
): Promise<{ name: string; status: string }> {
  const { answerPermission } = await server.query<{
    answerPermission: { worker: { name: string; status: string } };
  }>(answerMutation, { input });
  return answerPermission.worker;
}

export const sendMutation = `mutation ($input: SendMessageInput!) {
  sendMessage(input: $input) { created worker { id name status branch previous { name } } }
}`;

export interface Sent {
  readonly created: boolean;
  readonly worker: {
    readonly id: string;
    readonly name: string;
    readonly status: string;
    readonly branch: string;
    readonly previous: { readonly name: string } | null;
  };
}

export async function send(
  server: FactoryServer,
  input: { readonly id: string; readonly text: string; readonly idempotencyKey?: string },
): Promise<Sent> {
  const { sendMessage } = await server.query<{ sendMessage: Sent }>(sendMutation, { input });
  return sendMessage;
}
