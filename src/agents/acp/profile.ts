// What is peculiar to the agents that Factory knows, told apart by the name that they give themselves.
import type { PermissionPolicy } from "../talk.ts";

interface Profile {
  readonly name: RegExp;
  /** The session mode to set by policy, where the agent offers it; undefined: as it starts. */
  readonly modes?: Readonly<Record<PermissionPolicy, string>>;
  /** Whether its cost is that of the whole conversation, sessions before this one included. */
  readonly countsConversation?: boolean;
}

const profiles: readonly Profile[] = [
  {
    // It starts in "auto", where a model decides what is safe. In "default" it asks for each command and
    // change, and the policy answers: even ALLOW needs no bypass then, and stays within the worktree.
    name: /claude/i,
    modes: { ALLOW: "default", ASK: "default", DENY: "default" },
  },
  {
    // "agent" has a model review what is asked, and "read-only" can't work at all without leave.
    // "workspace-write" is a sandbox that asks before it is left; a commit needs that, as a worktree's git
    // data lies outside of it, so ALLOW goes without.
    name: /codex/i,
    modes: { ALLOW: "agent-full-access", ASK: "workspace-write", DENY: "workspace-write" },
  },
  {
    name: /gemini/i,
    modes: { ALLOW: "default", ASK: "default", DENY: "default" },
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

export function countsConversation(agent: string): boolean {
  return profileOf(agent)?.countsConversation ?? false;
}
