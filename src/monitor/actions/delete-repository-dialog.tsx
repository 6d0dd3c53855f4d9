import { useState } from "react";
import { useMutation } from "urql";
import { failureOf, type Failure } from "../client/failure.ts";
import { useStore } from "../client/store.ts";
import { CancelButton, Dialog, DialogActions } from "../components/dialog.tsx";
import { FailureNote } from "../components/failure-note.tsx";
import { CheckField } from "../components/field.tsx";
import { toast } from "../components/toasts.tsx";
import { count } from "../components/words.ts";
import type { Repository } from "../live/operations.ts";
import { overview } from "../live/overview.ts";
import { deleteRepository } from "./operations.ts";

/** Its worktrees, and what is in them, go only where the person says so, having seen which they are. */
export function DeleteRepositoryDialog({
  repository,
  onClose,
}: {
  repository: Repository;
  onClose: () => void;
}) {
  const { owner, name, nameWithOwner, id } = repository;
  const { worktrees } = useStore(overview);
  const own = [...worktrees.values()].filter((worktree) => worktree.repository.id === id);
  const [force, setForce] = useState(false);
  const [{ fetching }, remove] = useMutation(deleteRepository);
  const [failure, setFailure] = useState<Failure | undefined>(undefined);

  async function run(): Promise<void> {
    const { error } = await remove({ input: { owner, name, force } });
    setFailure(error && failureOf(error));
    if (error !== undefined) return;
    toast(`${nameWithOwner} is deleted`);
    onClose();
  }

  return (
    <Dialog
      title={`Delete ${nameWithOwner} here?`}
      description="Its clone on this server is deleted; the remote stays as it is. Sessions that worked in it, and what they did, can still be seen."
      onClose={onClose}
    >
      {own.length > 0 && (
        <div className="loss">
          <p className="loss-title">
            It has {count(own.length, "worktree")}. What is in them and not pushed would be lost:
          </p>
          <ul>
            {own.map((worktree) => (
              <li key={worktree.id}>
                <code>{worktree.branch}</code>
              </li>
            ))}
          </ul>
        </div>
      )}
      {own.length > 0 && (
        <CheckField
          label="Delete the worktrees too, and lose what is only there"
          value={force}
          onValue={setForce}
        />
      )}
      <FailureNote failure={failure} />
      <DialogActions>
        <CancelButton>Keep it</CancelButton>
        <button
          type="button"
          className="button"
          data-kind="danger"
          disabled={fetching || (own.length > 0 && !force)}
          onClick={() => void run()}
        >
          Delete
        </button>
      </DialogActions>
    </Dialog>
  );
}
