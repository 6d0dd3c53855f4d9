import { FailureNote } from "../../../components/failure-note.tsx";
import { mostLines, type StreamState } from "./stream.ts";

/** What is said above the first block: that there is more, or why there is not. */
export function StreamStart({
  worker,
  state,
  onLoad,
}: {
  worker: string;
  state: StreamState;
  onLoad: () => void;
}) {
  const { earlier, isFull, expiredBefore, earlierFailure, firstSequence } = state;
  if (firstSequence === undefined) return null;
  return (
    <div className="stream-start">
      {isFull ? (
        <p>
          This page keeps the newest {mostLines.toLocaleString("en")} lines. All of them:{" "}
          <code>factory logs {worker}</code>
        </p>
      ) : earlier === "none" ? (
        <p>
          {expiredBefore === undefined || expiredBefore <= 1
            ? "It begins here."
            : `The events before ${String(expiredBefore)} are older than the server keeps them (FACTORY_RETENTION_DAYS).`}
        </p>
      ) : (
        <button
          type="button"
          className="button"
          data-kind="small"
          disabled={earlier === "loading"}
          onClick={onLoad}
        >
          {earlier === "loading" ? "Loading what came earlier…" : "Load what came earlier"}
        </button>
      )}
      <FailureNote failure={earlierFailure} />
    </div>
  );
}
