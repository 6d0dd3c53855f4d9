import { useStore } from "../client/store.ts";
import { CloneDialog } from "./clone-dialog.tsx";
import { DeleteRepositoryDialog } from "./delete-repository-dialog.tsx";
import { DispatchDialog } from "./dispatch-dialog.tsx";
import { KeysDialog } from "./keys-dialog.tsx";
import { close, opened } from "./open.ts";
import { Palette } from "./palette.tsx";
import { CreateWorktreeDialog, DeleteWorktreeDialog } from "./worktree-dialogs.tsx";

/** The dialog that is open; in a file of its own, which the first sight of the page does without. */
export default function Dialogs() {
  const dialog = useStore(opened);
  switch (dialog?.kind) {
    case undefined:
      return null;
    case "palette":
      return <Palette onClose={close} />;
    case "keys":
      return <KeysDialog onClose={close} />;
    case "clone":
      return <CloneDialog onClose={close} />;
    case "dispatch":
      return (
        <DispatchDialog repository={dialog.repository} branch={dialog.branch} onClose={close} />
      );
    case "create-worktree":
      return <CreateWorktreeDialog repository={dialog.repository} onClose={close} />;
    case "delete-repository":
      return <DeleteRepositoryDialog repository={dialog.repository} onClose={close} />;
    case "delete-worktree":
      return <DeleteWorktreeDialog worktree={dialog.worktree} onClose={close} />;
  }
}
