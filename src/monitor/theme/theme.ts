// Dark or light: the system's choice, unless the person has made one here.
import { createStore } from "../client/store.ts";
import { readStored, writeStored } from "../client/stored.ts";

export const themes = ["system", "light", "dark"] as const;
export type Theme = (typeof themes)[number];

const key = "theme";

function readTheme(): Theme {
  const stored = readStored(key);
  return themes.find((theme) => theme === stored) ?? "system";
}

export const themeStore = createStore<Theme>(readTheme());

export function chooseTheme(theme: Theme): void {
  writeStored(key, theme);
  themeStore.write(theme);
  applyTheme();
}

/** The style sheet reads it from the root element. */
export function applyTheme(): void {
  document.documentElement.dataset["theme"] = themeStore.read();
}
