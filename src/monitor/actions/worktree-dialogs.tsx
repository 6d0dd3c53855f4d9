import { useState, type SyntheticEvent } from "react";
import { useMutation, useQuery } from "urql";
import { failureOf, type Failure } from "../client/failure.ts";
import { CancelButton, Dialog, DialogActions } from "../components/dialog.tsx";
import { FailureNote } from "../components/failure-note.tsx";
import { CheckField, TextField } from "../components/field.tsx";
import { toast } from "../components/toasts.tsx";
import { count } from "../components/words.ts";
import type { Worktree } from "../live/operations.ts";
import { RepositoryField } from "./repository-field.tsx";
import { createWorktree, deleteWorktree, worktreeState } from "./operations.ts";
import { readName } from "./repository-name.ts";

export function CreateWorktreeDialog({
  repository,
  onClose,
}: {
  repository: string | undefined;
  onClose: () => void;
}) {
  const [where, setWhere] = useState(repository ?? "");
  const [branch, setBranch] = useState("");
  const [base, setBase] = useState("");
  const [{ fetching, error }, create] = useMutation(createWorktree);
  const name = readName(where);

  async function submit(event: SyntheticEvent): Promise<void> {
    event.preventDefault();
    if (name === undefined) return;
    const { data } = await create({
      input: { ...name, branch: branch.trim(), ...(base.trim() !== "" && { base: base.trim() }) },
    });
    const payload = data?.createWorktree;
    if (payload == null) return;
    const title = payload.created
      ? `${payload.worktree.branch} is checked out`
      : `${payload.worktree.branch} was checked out already`;
    toast(title, payload.worktree.path);
    onClose();
  }

  return (
    <Dialog
      title="Create a worktree"
      description="Checks a branch out in a folder of its own. A dispatch does it by itself; this is for work of yours."
      onClose={onClose}
    >
      <form onSubmit={(event) => void submit(event)}>
        <RepositoryField value={where} onValue={setWhere} />
        <TextField
          label="Branch"
          value={branch}
          onValue={setBranch}
          required
          placeholder="feat/login"
          hint="A branch that exists is taken up where it stands; another one is made."
        />
        <TextField
          label="Base"
          value={base}
          onValue={setBase}
          placeholder="the remote's default branch"
          hint="A branch, tag or commit, for a branch that is made."
        />
        <FailureNote failure={error && failureOf(error)} />
        <DialogActions>
          <CancelButton />
          <button
            type="submit"
            className="button"
            data-kind="primary"
            disabled={fetching || name === undefined || branch.trim() === ""}
          >
            {fetching ? "Checking out…" : "Create"}
          </button>
        </DialogActions>
      </form>
    </Dialog>
  );
}

/** Asks twice where work would be lost that is nowhere else, and names it. */
export function DeleteWorktreeDialog({
  worktree,
  onClose,
}: {
  worktree: Worktree;
  onClose: () => void;
}) {
  const { repository, branch, runner } = worktree;
  const { owner, name } = repository;
  const [deleteBranch, setDeleteBranch] = useState(false);
  const [{ data: now }] = useQuery({
    query: worktreeState,
    variables: { owner, name, branch, runner },
  });
  const [{ fetching }, remove] = useMutation(deleteWorktree);
  const [failure, setFailure] = useState<Failure | undefined>(undefined);
  const loss = failure?.code === "WORKTREE_DIRTY" ? failure : undefined;

  function changeDeleteBranch(value: boolean): void {
    setDeleteBranch(value);
    // With the branch more may be lost than the warning said: the server is asked anew.
    setFailure(undefined);
  }

  async function run(force: boolean): Promise<void> {
    const { error } = await remove({ input: { owner, name, branch, runner, deleteBranch, force } });
    setFailure(error && failureOf(error));
    if (error !== undefined) return;
    toast(`The worktree of ${branch} is deleted`);
    onClose();
  }

  return (
    <Dialog
      title={`Delete the worktree of ${branch}?`}
      description={
        <>
          Its folder is deleted: <code>{worktree.path}</code>
        </>
      }
      onClose={onClose}
    >
      <Contents state={now?.worktree ?? undefined} />
      <CheckField
        label={`Delete the local branch ${branch} too`}
        value={deleteBranch}
        onValue={changeDeleteBranch}
      />
      {loss === undefined ? <FailureNote failure={failure} /> : <LossWarning loss={loss} />}
      <DialogActions>
        <CancelButton>Keep it</CancelButton>
        <button
          type="button"
          className="button"
          data-kind="danger"
          disabled={fetching}
          onClick={() => void run(loss !== undefined)}
        >
          {loss === undefined ? "Delete" : "Delete it and lose that work"}
        </button>
      </DialogActions>
    </Dialog>
  );
}

interface WorktreeState {
  readonly uncommittedFileCount: number | null;
  readonly commitsAhead: number | null;
}

function Contents({ state }: { state: WorktreeState | undefined }) {
  if (state === undefined) return <p className="quiet">Looking what is in it…</p>;
  const { uncommittedFileCount: files, commitsAhead } = state;
  return (
    <p className="quiet">
      It holds {files === null ? "files" : count(files, "changed or untracked file")}
      {commitsAhead !== null && ` and ${count(commitsAhead, "commit")} since its base`}.
    </p>
  );
}

function LossWarning({ loss }: { loss: Failure }) {
  const files = loss.facts["changedFiles"];
  const commits = loss.facts["unpushedCommits"];
  const lost = [
    ...(typeof files === "number" && files > 0
      ? [{ text: count(files, "changed or untracked file"), names: loss.facts["files"] }]
      : []),
    ...(typeof commits === "number" && commits > 0
      ? [
          {
            text: `${count(commits, "commit that is", "commits that are")} on no branch of the remote`,
            names: loss.facts["commits"],
          },
        ]
      : []),
  ];
  return (
    <div role="alert" className="loss">
      <p className="loss-title">This work is nowhere else, and would be lost for good:</p>
      {lost.length > 0 ? (
        <ul>
          {lost.map(({ text, names }) => (
            <li key={text}>
              <span>{text}</span>
              {Array.isArray(names) &&
                names.map(String).map((name) => (
                  <code key={name} className="loss-name">
                    {name}
                  </code>
                ))}
            </li>
          ))}
        </ul>
      ) : (
        <p>{loss.message}</p>
      )}
      <p>Commit and push it to keep it.</p>
    </div>
  );
}
