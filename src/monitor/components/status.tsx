import {
  Ban,
  Check,
  CircleDashed,
  CircleDot,
  CircleQuestionMark,
  Clock,
  TimerOff,
  Unplug,
  X,
  type LucideIcon,
} from "lucide-react";
import type { WorkerStatus } from "../live/operations.ts";
import { statusWords } from "../live/states.ts";

const icons: Readonly<Record<WorkerStatus, LucideIcon>> = {
  QUEUED: Clock,
  PREPARING: CircleDashed,
  RUNNING: CircleDot,
  WAITING: CircleQuestionMark,
  SUCCEEDED: Check,
  FAILED: X,
  CANCELLED: Ban,
  TIMED_OUT: TimerOff,
  LOST: Unplug,
};

/** By word, form and colour, so that none of them alone has to be seen. */
export function Status({ status }: { status: WorkerStatus }) {
  const Icon = icons[status];
  return (
    <span className="status" data-status={status}>
      <Icon size={13} strokeWidth={2.4} aria-hidden="true" />
      {statusWords[status]}
    </span>
  );
}
