// Short notes of what an action has led to.
import { Toast } from "@base-ui/react/toast";
import { X } from "lucide-react";
import type { Failure } from "../client/failure.ts";
import { sentence } from "./failure-note.tsx";

export const toasts = Toast.createToastManager();

export function toast(title: string, description?: string): void {
  toasts.add({ title, ...(description !== undefined && { description }) });
}

/** Stays until it is closed. */
export function toastFailure(title: string, failure: Failure): void {
  toasts.add({
    title,
    description: `${sentence(failure.message)} (${failure.code})`,
    type: "failure",
    priority: "high",
    timeout: 0,
  });
}

export function Toasts() {
  return (
    <Toast.Provider toastManager={toasts}>
      <Toast.Portal>
        <Toast.Viewport className="toasts">
          <ToastList />
        </Toast.Viewport>
      </Toast.Portal>
    </Toast.Provider>
  );
}

function ToastList() {
  return Toast.useToastManager().toasts.map((shown) => (
    <Toast.Root key={shown.id} toast={shown} className="toast">
      <Toast.Content className="toast-content">
        <div className="toast-text">
          <Toast.Title className="toast-title" render={<p />} />
          <Toast.Description />
        </div>
        <Toast.Close className="icon-button" aria-label="Close">
          <X size={14} aria-hidden="true" />
        </Toast.Close>
      </Toast.Content>
    </Toast.Root>
  ));
}
