import { useState, type KeyboardEvent } from "react";
import { useMutation } from "urql";
import { failureOf } from "../client/failure.ts";
import { graphql } from "../client/graphql.ts";
import type { Worker } from "../live/operations.ts";
import { FailureNote } from "./failure-note.tsx";

const answerPermission = graphql(`
  mutation AnswerPermission($input: AnswerPermissionInput!) {
    answerPermission(input: $input) {
      worker {
        id
        status
      }
    }
  }
`);

type Request = Worker["pendingPermissions"][number];

/** By the tool call's own arguments: the title is the model's description. */
export function WhatWillBeDone({
  request: { title, command, kind, locations, diff },
}: {
  request: Pick<Request, "title" | "command" | "kind" | "diff"> & {
    readonly locations: readonly string[];
  };
}) {
  return (
    <>
      {(kind !== null || locations.length > 0) && (
        <p className="permission-places quiet">
          {[kind, ...locations].filter(Boolean).join(" · ")}
        </p>
      )}
      {command !== null && command !== title && (
        <pre className="permission-command" tabIndex={0} aria-label="Command">
          {command}
        </pre>
      )}
      {diff !== null && (
        <pre className="permission-diff" tabIndex={0} aria-label="Changes">
          {diff}
        </pre>
      )}
    </>
  );
}

/** What an agent asks permission for, with an answer a button. */
export function PermissionRequest({
  worker,
  request,
}: {
  worker: Pick<Worker, "id" | "name">;
  request: Request;
}) {
  const [{ fetching, error }, answer] = useMutation(answerPermission);
  // It is gone with the next message of the overview; until then nobody should answer twice.
  const [isAnswered, setAnswered] = useState(false);

  async function choose(optionId: string): Promise<void> {
    const { data } = await answer({ input: { id: worker.id, requestId: request.id, optionId } });
    if (data?.answerPermission != null) setAnswered(true);
  }

  /** 1 is the first of the options, and so on. */
  function onKey(event: KeyboardEvent): void {
    const option = request.options[Number(event.key) - 1];
    if (option === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    if (!fetching && !isAnswered) void choose(option.id);
  }

  return (
    <div className="permission">
      <p className="permission-title">{request.title}</p>
      <WhatWillBeDone request={request} />
      <div
        className="permission-options"
        role="group"
        aria-label={`Answer ${worker.name}`}
        onKeyDown={onKey}
      >
        {request.options.map(({ id, name, kind }, at) => (
          <button
            key={id}
            type="button"
            className="button"
            data-kind={kind === "allow_once" ? "primary" : "plain"}
            title={`Key ${String(at + 1)}`}
            disabled={fetching || isAnswered}
            onClick={() => void choose(id)}
          >
            {name}
          </button>
        ))}
      </div>
      <FailureNote failure={error && failureOf(error)} />
    </div>
  );
}
