// Tells the browser's own notifications of workers that need somebody, where the person has allowed it here.
import { createStore } from "../client/store.ts";
import { readStored, writeStored } from "../client/stored.ts";
import type { Worker } from "./operations.ts";
import { statusWords } from "./states.ts";

const key = "notify";

export type NotifyState = "unsupported" | "denied" | "off" | "on";

function readState(): NotifyState {
  // Also where the address is neither https nor loopback.
  if (!("Notification" in window)) return "unsupported";
  if (Notification.permission === "denied") return "denied";
  return Notification.permission === "granted" && readStored(key) === true ? "on" : "off";
}

export const notifyState = createStore<NotifyState>(readState());

/** The browser asks the person, where it hasn't yet: only ever called from a button. */
export async function switchNotifications(): Promise<void> {
  if (notifyState.read() === "on") {
    writeStored(key, false);
  } else {
    writeStored(key, (await Notification.requestPermission()) === "granted");
  }
  notifyState.write(readState());
}

/** Somebody who looks at the page sees it there. */
export function notify(worker: Worker, onOpen: () => void): void {
  if (notifyState.read() !== "on" || document.hasFocus()) return;
  const { id, name, status, pendingPermissions, statusReason } = worker;
  const notification = new Notification(`${name} is ${statusWords[status]}`, {
    body: pendingPermissions[0]?.title ?? statusReason ?? "",
    tag: id,
  });
  notification.addEventListener("click", () => {
    window.focus();
    notification.close();
    onOpen();
  });
}
