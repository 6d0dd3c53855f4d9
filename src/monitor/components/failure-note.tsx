import { TriangleAlert } from "lucide-react";
import type { Failure } from "../client/failure.ts";

/** What happened and what to do, as the server says it, with its code for those who ask elsewhere. */
export function FailureNote({ failure }: { failure: Failure | undefined }) {
  return (
    <div role="alert">
      {failure !== undefined && (
        <p className="failure-note">
          <TriangleAlert size={15} aria-hidden="true" />
          <span>
            {sentence(failure.message)} <code>{failure.code}</code>
          </span>
        </p>
      )}
    </div>
  );
}

/** The server's messages are made to stand in a log, too. A name that one begins with, such as maxTurns, stays. */
export function sentence(message: string): string {
  const isName = /^[a-z]+[A-Z_.]/.test(message);
  const begun = isName ? message : message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}
