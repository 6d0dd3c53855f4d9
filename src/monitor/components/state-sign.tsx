import { Check, Circle, CircleAlert, LoaderCircle, type LucideIcon } from "lucide-react";
import type { Repository, Worktree } from "../live/operations.ts";

type State = Repository["status"] | Worktree["status"];

/** ● at work, ○ ready, ✓ synced, ! failed, and what turns is on its way. The word stands beside it. */
const signs: Readonly<Record<State, LucideIcon>> = {
  RUNNING: Circle,
  READY: Circle,
  SYNCED: Check,
  FAILED: CircleAlert,
  CLONING: LoaderCircle,
  SYNCING: LoaderCircle,
  CREATING: LoaderCircle,
  REMOVING: LoaderCircle,
};

export function StateSign({ state }: { state: State }) {
  const Icon = signs[state];
  return (
    <span className="state-sign" data-state={state}>
      <Icon size={state === "RUNNING" || state === "READY" ? 10 : 14} aria-hidden="true" />
    </span>
  );
}
