// Which dialog is open: from a button, a key or the palette, on whatever page.
import { createStore } from "../client/store.ts";
import type { Repository, Worktree } from "../live/operations.ts";

export type OpenDialog =
  | { readonly kind: "palette" }
  | { readonly kind: "keys" }
  | { readonly kind: "clone" }
  | { readonly kind: "dispatch"; readonly repository?: string; readonly branch?: string }
  | { readonly kind: "create-worktree"; readonly repository?: string }
  | { readonly kind: "delete-repository"; readonly repository: Repository }
  | { readonly kind: "delete-worktree"; readonly worktree: Worktree };

export const opened = createStore<OpenDialog | undefined>(undefined);

export function open(dialog: OpenDialog): void {
  opened.write(dialog);
}

export function close(): void {
  opened.write(undefined);
}
