// The Agents Monitor: what each agent is doing, and which of them needs somebody.
import { CSPProvider } from "@base-ui/react/csp-provider";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app.tsx";
import { readNonce } from "./client/nonce.ts";
import { applyTheme } from "./theme/theme.ts";
import "./theme/index.css";

applyTheme();
loadAnewWhereReplaced();
const root = document.getElementById("app");
if (root === null) throw new Error("index.html has no element #app");
createRoot(root).render(
  <StrictMode>
    <CSPProvider nonce={readNonce()}>
      <App />
    </CSPProvider>
  </StrictMode>,
);

/** The server may have been replaced by another version: what this one would load later is gone. */
function loadAnewWhereReplaced(): void {
  const key = "loaded-anew-for";
  window.addEventListener("vite:preloadError", (event) => {
    const { message } = event.payload;
    // Once for each: what is missing after that is no matter of versions.
    if (window.sessionStorage.getItem(key) === message) return;
    window.sessionStorage.setItem(key, message);
    event.preventDefault();
    window.location.reload();
  });
}
