// The Agents Monitor: what each agent is doing, and which of them needs somebody.
import { CSPProvider } from "@base-ui/react/csp-provider";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app.tsx";
import { readNonce } from "./client/nonce.ts";
import { applyTheme } from "./theme/theme.ts";
import "./theme/index.css";

applyTheme();
const root = document.getElementById("app");
if (root === null) throw new Error("index.html has no element #app");
createRoot(root).render(
  <StrictMode>
    <CSPProvider nonce={readNonce()}>
      <App />
    </CSPProvider>
  </StrictMode>,
);
