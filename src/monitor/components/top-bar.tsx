import { Monitor, Moon, Sun } from "lucide-react";
import { Link } from "wouter";
import { connection } from "../client/connection.ts";
import { useStore } from "../client/store.ts";
import { routes } from "../routes.ts";
import { chooseTheme, themes, themeStore, type Theme } from "../theme/theme.ts";

const connectionWords = {
  connecting: "Connecting",
  connected: "Live",
  lost: "Connection lost",
  refused: "Signed out",
} as const;

export function TopBar() {
  const { kind } = useStore(connection.state);
  return (
    <header className="top-bar">
      <Link href={routes.overview} className="brand">
        Factory
      </Link>
      <span className="connection" data-kind={kind}>
        <span className="dot" aria-hidden="true" />
        {connectionWords[kind]}
      </span>
      <span className="spring" />
      <ThemeButton />
    </header>
  );
}

const themeWords: Readonly<Record<Theme, string>> = {
  system: "as the system has it",
  light: "light",
  dark: "dark",
};

function ThemeButton() {
  const theme = useStore(themeStore);
  const next = themes[(themes.indexOf(theme) + 1) % themes.length] ?? "system";
  const Icon = { system: Monitor, light: Sun, dark: Moon }[theme];
  const label = `Colours: ${themeWords[theme]}. Switch to ${themeWords[next]}`;
  return (
    <button
      type="button"
      className="icon-button"
      aria-label={label}
      title={label}
      onClick={() => chooseTheme(next)}
    >
      <Icon size={16} aria-hidden="true" />
    </button>
  );
}
