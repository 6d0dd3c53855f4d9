import { useState, type SyntheticEvent } from "react";
import { useMutation } from "urql";
import { failureOf } from "../../client/failure.ts";
import { CancelButton, Dialog, DialogActions } from "../../components/dialog.tsx";
import { FailureNote } from "../../components/failure-note.tsx";
import { CheckField, TextField } from "../../components/field.tsx";
import { toast } from "../../components/toasts.tsx";
import { count } from "../../components/words.ts";
import { isLive } from "../../live/states.ts";
import { cancelWorker, type Worker } from "./operations.ts";

export function CancelDialog({ worker, onClose }: { worker: Worker; onClose: () => void }) {
  const [reason, setReason] = useState("");
  const [children, setChildren] = useState(false);
  const [{ fetching, error }, cancel] = useMutation(cancelWorker);
  const live = worker.children.nodes.filter(({ status }) => isLive(status)).length;

  async function submit(event: SyntheticEvent): Promise<void> {
    event.preventDefault();
    const { data } = await cancel({
      input: { id: worker.id, children, ...(reason.trim() !== "" && { reason: reason.trim() }) },
    });
    if (data?.cancelWorker == null) return;
    toast(`${worker.name} is being cancelled`);
    onClose();
  }

  return (
    <Dialog
      title={`Cancel ${worker.name}?`}
      description="Its agent is asked to stop, then all of its processes are ended. Its worktree stays, with all that is in it."
      onClose={onClose}
    >
      <form onSubmit={(event) => void submit(event)}>
        <TextField
          label="Reason"
          value={reason}
          onValue={setReason}
          placeholder="not needed any more"
          hint="For those who watch it; may be left out."
        />
        <CheckField
          label="Cancel the workers that it dispatched, too"
          value={children}
          onValue={setChildren}
          hint={
            live === 0
              ? "None of them runs at the moment."
              : `${count(live, "of them has", "of them have")} not ended.`
          }
        />
        <FailureNote failure={error && failureOf(error)} />
        <DialogActions>
          <CancelButton>Let it run</CancelButton>
          <button type="submit" className="button" data-kind="danger" disabled={fetching}>
            Cancel {worker.name}
          </button>
        </DialogActions>
      </form>
    </Dialog>
  );
}
