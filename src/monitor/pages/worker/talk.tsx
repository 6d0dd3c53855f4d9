import { Send } from "lucide-react";
import { useState, type KeyboardEvent, type SyntheticEvent } from "react";
import { useLocation } from "wouter";
import { useMutation } from "urql";
import { failureOf } from "../../client/failure.ts";
import { FailureNote } from "../../components/failure-note.tsx";
import { PermissionRequest } from "../../components/permission-request.tsx";
import { Ago } from "../../components/time.tsx";
import { toast } from "../../components/toasts.tsx";
import { isLive } from "../../live/states.ts";
import { workerPath } from "../../routes.ts";
import { sendMessage, type Worker } from "./operations.ts";

/** What the worker asks, what was said to it and waits, and what is said next. */
export function Talk({ worker, onChange }: { worker: Worker; onChange: () => void }) {
  const { name, pendingPermissions, queuedMessages } = worker;
  return (
    <div className="talk">
      {pendingPermissions.length > 0 && (
        <section className="asked" data-attention aria-label={`What ${name} asks`}>
          <h2 className="asked-title">{name} asks for permission</h2>
          {pendingPermissions.map((request) => (
            <PermissionRequest key={request.id} worker={worker} request={request} />
          ))}
        </section>
      )}
      {queuedMessages.length > 0 && (
        <section className="queued" aria-label="Messages that wait for the end of its turn">
          <h2 className="queued-title">Waits for the end of its turn</h2>
          <ol>
            {queuedMessages.map(({ text, createdAt }, at) => (
              <li key={at} className="queued-message">
                <span className="queued-text">{text}</span> <Ago at={createdAt} />
              </li>
            ))}
          </ol>
        </section>
      )}
      <Composer worker={worker} onChange={onChange} />
    </div>
  );
}

type Capability = NonNullable<Worker["capabilities"]>[number];

function Composer({ worker, onChange }: { worker: Worker; onChange: () => void }) {
  const { id, name, capabilities, status } = worker;
  const [text, setText] = useState("");
  const [{ fetching, error }, send] = useMutation(sendMessage);
  const [, navigate] = useLocation();
  const live = isLive(status);
  const can = (capability: Capability) =>
    capabilities === null || capabilities.includes(capability);

  async function submit(event: SyntheticEvent): Promise<void> {
    event.preventDefault();
    if (text.trim() === "" || fetching) return;
    const { data } = await send({ input: { id, text } });
    const payload = data?.sendMessage;
    if (payload == null) return;
    setText("");
    onChange();
    if (!payload.created) return;
    toast(`${payload.worker.name} goes on with the conversation`);
    navigate(workerPath(payload.worker.name));
  }

  function onKey(event: KeyboardEvent): void {
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    void submit(event);
  }

  if (!can("FOLLOW_UP")) return null;
  if (live && !can("MESSAGES")) {
    return (
      <p className="composer quiet">
        {name} takes no messages while it runs. It can be followed up once it has ended.
      </p>
    );
  }
  return (
    <form className="composer" onSubmit={(event) => void submit(event)}>
      <div className="composer-row">
        <textarea
          className="input"
          aria-label={live ? `Message to ${name}` : `Follow up on ${name}`}
          placeholder={
            live
              ? "Say something to it. It hears it at the end of its turn."
              : "Follow up: a new session goes on with this conversation."
          }
          rows={1}
          value={text}
          onChange={({ currentTarget }) => setText(currentTarget.value)}
          onKeyDown={onKey}
        />
        <button
          type="submit"
          className="button"
          data-kind="primary"
          disabled={fetching || text.trim() === ""}
        >
          <Send size={14} aria-hidden="true" />
          Send
        </button>
      </div>
      <FailureNote failure={error && failureOf(error)} />
    </form>
  );
}
