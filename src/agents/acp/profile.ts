// What is peculiar to the agents that Factory knows, told apart by the name that they give themselves.
import type { PermissionPolicy } from "../talk.ts";

interface Profile {
  readonly name: RegExp;
  /** The session mode to set by policy, where the agent offers it; undefined: as it starts. */
  readonly modes?: Readonly<Record<PermissionPolicy, string>>;
  /** Whether its cost is that of the whole conversation, sessions before this one included. */
  readonly countsConversation?: boolean;
  /** What it says itself in the model's place, and is no part of its answer. */
  readonly aside?: RegExp;
  /** By what name it loads a conversation; undefined: by its id. */
  readonly loadAs?: (conversationId: string) => string;
}

const profiles: readonly Profile[] = [
  {
    // It starts in "auto", where a model decides what is safe. In "default" it asks for each command and
    // change, and the policy answers: even ALLOW needs no bypass then, and stays within the worktree.
    name: /claude/i,
    modes: { ALLOW: "default", ASK: "default", DENY: "default" },
  },
  {
    // "agent" has a model review what is asked, and "read-only" can't work at all without permission.
    // "workspace-write" is a sandbox that asks before it is left; a commit needs that, as a worktree's git
    // data lies outside of it, so ALLOW goes without.
    name: /codex/i,
    modes: { ALLOW: "agent-full-access", ASK: "workspace-write", DENY: "workspace-write" },
    aside: /^Warning: .*\n\n$/s,
  },
  {
    name: /gemini/i,
    modes: { ALLOW: "default", ASK: "default", DENY: "default" },
    // Before it looks for a conversation it begins a new record under the name that it was given, in a file
    // named after that and the minute. In the minute in which the conversation was begun that is its own file,
    // and it is lost: https://github.com/google-gemini/gemini-cli/issues/28693. A space makes another file,
    // and is cut off where the conversation is looked for.
    loadAs: (conversationId) => ` ${conversationId.trim()}`,
  },
  {
    // It has no modes of this kind: its start line's configuration says what it asks for.
    name: /opencode/i,
    countsConversation: true,
  },
];

function profileOf(agent: string): Profile | undefined {
  return profiles.find(({ name }) => name.test(agent));
}

export function modeFor(agent: string, policy: PermissionPolicy): string | undefined {
  return profileOf(agent)?.modes?.[policy];
}

export function nameToLoad(agent: string, conversationId: string): string {
  return profileOf(agent)?.loadAs?.(conversationId) ?? conversationId;
}

/** @param text a piece of a message that the agent gave no id */
export function isAside(agent: string, text: string): boolean {
  return profileOf(agent)?.aside?.test(text) ?? false;
}

export function countsConversation(agent: string): boolean {
  return profileOf(agent)?.countsConversation ?? false;
}
