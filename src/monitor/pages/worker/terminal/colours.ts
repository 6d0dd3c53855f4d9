import type { ITheme } from "@xterm/xterm";

const names = [
  "black",
  "red",
  "green",
  "yellow",
  "blue",
  "magenta",
  "cyan",
  "white",
  "brightBlack",
  "brightRed",
  "brightGreen",
  "brightYellow",
  "brightBlue",
  "brightMagenta",
  "brightCyan",
  "brightWhite",
] as const;

/** The page's own, as they are at the moment: the emulator knows no custom properties. */
export function colours(place: HTMLElement): ITheme {
  const probe = document.createElement("span");
  place.append(probe);
  const read = (property: string): string => {
    probe.style.color = `var(${property})`;
    return getComputedStyle(probe).color;
  };
  const theme: ITheme = {
    background: read("--surface"),
    foreground: read("--text"),
    cursor: read("--surface"),
    selectionBackground: read("--line-strong"),
  };
  names.forEach((name, index) => {
    theme[name] = read(`--ansi-${String(index)}`);
  });
  probe.remove();
  return theme;
}
