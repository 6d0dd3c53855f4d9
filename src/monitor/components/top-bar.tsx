import { Bell, BellRing, Keyboard, LogOut, Monitor, Moon, Plus, Search, Sun } from "lucide-react";
import type { ReactNode } from "react";
import { connection } from "../client/connection.ts";
import { useStore } from "../client/store.ts";
import { notifyState, switchNotifications } from "../live/notify.ts";
import { routes } from "../routes.ts";
import { chooseTheme, themes, themeStore, type Theme } from "../theme/theme.ts";
import { paletteKeys } from "./keys-words.ts";
import { toast } from "./toasts.tsx";

const connectionWords = {
  connecting: "Connecting",
  connected: "Live",
  lost: "Connection lost",
  refused: "Signed out",
} as const;

export interface TopBarActions {
  readonly onPalette: () => void;
  readonly onKeys: () => void;
  readonly onDispatch: () => void;
  readonly onSignOut: () => void;
}

export function TopBar({ onPalette, onKeys, onDispatch, onSignOut }: TopBarActions) {
  const { kind } = useStore(connection.state);
  return (
    <header className="top-bar">
      <a href={routes.overview} className="brand">
        <Mark />
        Factory
      </a>
      <span className="connection" data-kind={kind}>
        <span className="dot" aria-hidden="true" />
        {connectionWords[kind]}
      </span>
      <span className="spring" />
      <button
        type="button"
        className="palette-button"
        aria-keyshortcuts="Control+K Meta+K"
        onClick={onPalette}
      >
        <Search size={14} aria-hidden="true" />
        <span className="palette-button-text">Do or find anything</span>
        <kbd aria-hidden="true">{paletteKeys}</kbd>
      </button>
      <NotifyButton />
      <ThemeButton />
      <IconButton label="Keys" onClick={onKeys}>
        <Keyboard size={16} aria-hidden="true" />
      </IconButton>
      <IconButton label="Sign out" onClick={onSignOut}>
        <LogOut size={16} aria-hidden="true" />
      </IconButton>
      <button type="button" className="button" data-kind="primary" onClick={onDispatch}>
        <Plus size={15} aria-hidden="true" />
        Dispatch
      </button>
    </header>
  );
}

function Mark() {
  return (
    <svg width="20" height="20" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" className="mark-ground" />
      <path d="M9 23V9h14v4H13.5v2.5H21v4h-7.5V23z" className="mark-letter" />
    </svg>
  );
}

function IconButton(props: {
  readonly label: string;
  readonly onClick: () => void;
  readonly isPressed?: boolean;
  readonly children: ReactNode;
}) {
  return (
    <button
      type="button"
      className="icon-button"
      aria-label={props.label}
      aria-pressed={props.isPressed}
      title={props.label}
      onClick={props.onClick}
    >
      {props.children}
    </button>
  );
}

function NotifyButton() {
  const state = useStore(notifyState);
  if (state === "unsupported") return null;
  const isOn = state === "on";
  const Icon = isOn ? BellRing : Bell;

  async function change(): Promise<void> {
    await switchNotifications();
    if (notifyState.read() === "denied") {
      toast("Notifications are blocked", "Allow them for this address in the browser's settings.");
    }
  }

  return (
    <IconButton
      label="Notify me when a worker needs me"
      isPressed={isOn}
      onClick={() => void change()}
    >
      <Icon size={16} aria-hidden="true" />
    </IconButton>
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
  return (
    <IconButton
      label={`Colours: ${themeWords[theme]}. Switch to ${themeWords[next]}`}
      onClick={() => chooseTheme(next)}
    >
      <Icon size={16} aria-hidden="true" />
    </IconButton>
  );
}
