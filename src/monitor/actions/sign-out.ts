import { toast } from "../components/toasts.tsx";

/** Ends the browser's session on the server, then shows what a browser without one is shown. */
export async function signOut(): Promise<void> {
  try {
    const { ok, status } = await fetch("/sign-out", { method: "POST" });
    // 401: it had ended before.
    if (!ok && status !== 401) throw new Error(`the server answered ${String(status)}`);
    window.location.assign("/sign-in");
  } catch (error) {
    toast("This browser is still signed in", error instanceof Error ? error.message : "");
  }
}
