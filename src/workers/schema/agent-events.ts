// The events of agents that speak a protocol. A plain one has none of them: it has output alone.
import type { StoredEvent } from "../../events/read.ts";
import { builder } from "../../graphql/builder.ts";
import { payloadOf, WorkerEventRef } from "./events.ts";
import { PermissionRequestRef } from "./permissions.ts";
import { UsageRef } from "./worker-session.ts";

const MessageRoleRef = builder.enumType("MessageRole", {
  description: "Whose words a message is.",
  values: {
    USER: { description: "What the agent was told." },
    AGENT: { description: "What the agent answered." },
    THOUGHT: { description: "What the agent thought on the way, where it shows it." },
  } as const,
});

const ToolCallStatusRef = builder.enumType("ToolCallStatus", {
  description: "How far a tool call is.",
  values: {
    PENDING: { description: "Asked for, and not begun." },
    RUNNING: { description: "Under way." },
    COMPLETED: { description: "Done." },
    FAILED: { description: "Ended with an error." },
  } as const,
});

builder.objectRef<StoredEvent>("WorkerMessageEvent").implement({
  description: "The agent, or who speaks to it, said something.",
  interfaces: [WorkerEventRef],
  fields: (t) => ({
    role: t.field({
      type: MessageRoleRef,
      description: "Whose words they are.",
      resolve: (event) => payloadOf("message", event).role,
    }),
    text: t.string({
      description: "What was said.",
      resolve: (event) => payloadOf("message", event).text,
    }),
  }),
});

builder.objectRef<StoredEvent>("WorkerToolCallEvent").implement({
  description: "The agent uses a tool; each change of the call is an event of its own.",
  interfaces: [WorkerEventRef],
  fields: (t) => ({
    toolCallId: t.string({
      description: "The same for all events of one call.",
      resolve: (event) => payloadOf("toolCall", event).toolCallId,
    }),
    title: t.string({
      description: "What it does, fit to show to a person.",
      resolve: (event) => payloadOf("toolCall", event).title,
    }),
    kind: t.string({
      nullable: true,
      description: "The agent's word for the kind of tool, such as read, edit or execute.",
      resolve: (event) => payloadOf("toolCall", event).kind,
    }),
    toolCallStatus: t.field({
      type: ToolCallStatusRef,
      description: "How far it is.",
      resolve: (event) => payloadOf("toolCall", event).toolCallStatus,
    }),
    content: t.string({
      nullable: true,
      description: "What the tool was given or gave back, where the agent tells it.",
      resolve: (event) => payloadOf("toolCall", event).content,
    }),
  }),
});

builder.objectRef<StoredEvent>("WorkerUsageEvent").implement({
  description: "What the agent has used so far.",
  interfaces: [WorkerEventRef],
  fields: (t) => ({
    usage: t.field({
      type: UsageRef,
      description: "Since the session's start.",
      resolve: (event) => payloadOf("usage", event),
    }),
  }),
});

builder.objectRef<StoredEvent>("WorkerPermissionEvent").implement({
  description: "The agent asks permission for something; and as a second event, that was answered.",
  interfaces: [WorkerEventRef],
  fields: (t) => ({
    request: t.field({
      type: PermissionRequestRef,
      description: "What it asks for.",
      resolve: (event) => payloadOf("permission", event).request,
    }),
  }),
});
