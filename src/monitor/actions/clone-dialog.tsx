import { useState, type SyntheticEvent } from "react";
import { useMutation } from "urql";
import { failureOf } from "../client/failure.ts";
import { CancelButton, Dialog, DialogActions } from "../components/dialog.tsx";
import { FailureNote } from "../components/failure-note.tsx";
import { TextField } from "../components/field.tsx";
import { toast } from "../components/toasts.tsx";
import { cloneRepository } from "./operations.ts";
import { readCloneSource } from "./repository-name.ts";

export function CloneDialog({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState("");
  const [{ fetching, error }, clone] = useMutation(cloneRepository);
  const source = readCloneSource(text);

  async function submit(event: SyntheticEvent): Promise<void> {
    event.preventDefault();
    if (source === undefined) return;
    const { owner, name, url } = source;
    const { data } = await clone({
      input: { owner, name, ...(url !== undefined && { url }) },
    });
    const payload = data?.cloneRepository;
    if (payload == null) return;
    toast(
      payload.created
        ? `Cloning ${payload.repository.nameWithOwner}`
        : `${payload.repository.nameWithOwner} is there already`,
    );
    onClose();
  }

  return (
    <Dialog
      title="Clone a repository"
      description="Factory keeps one clone, and makes a worktree of it for each branch that a worker works on."
      onClose={onClose}
    >
      <form onSubmit={(event) => void submit(event)}>
        <TextField
          label="Repository"
          value={text}
          onValue={setText}
          required
          placeholder="octocat/Hello-World"
          hint={
            source?.url === undefined
              ? "owner/name, or the address to clone from: https://… or git@host:owner/name.git"
              : `It will be known as ${source.owner}/${source.name}.`
          }
        />
        <FailureNote failure={error && failureOf(error)} />
        <DialogActions>
          <CancelButton />
          <button
            type="submit"
            className="button"
            data-kind="primary"
            disabled={fetching || source === undefined}
          >
            {fetching ? "Asking…" : "Clone"}
          </button>
        </DialogActions>
      </form>
    </Dialog>
  );
}
