// A terminal without a person at its keyboard: it shows what comes from the worker, and obeys none of it.
import { FitAddon } from "@xterm/addon-fit";
import { Terminal } from "@xterm/xterm";
import { colours } from "./colours.ts";
import { openWithNonce } from "./open-with-nonce.ts";

export const keptLines = 10_000;

export interface Screen {
  readonly write: (text: string) => void;
  /** Returns what takes it away. */
  readonly open: (place: HTMLElement) => () => void;
  /** In the page's colours, which have changed. */
  readonly paint: (place: HTMLElement) => void;
}

/** Titles, links, colours, notifications, the clipboard: what programs tell their terminals by "OSC". */
const commands = [0, 1, 2, 4, 7, 8, 9, 10, 11, 12, 52, 104, 110, 111, 112, 133, 633, 777, 1337];

export function createScreen(): Screen {
  const terminal = new Terminal({
    // What a worker prints goes to a file, not to a terminal that would add the carriage returns.
    convertEol: true,
    disableStdin: true,
    scrollback: keptLines,
    screenReaderMode: true,
    fontSize: 12,
    lineHeight: 1.25,
  });
  for (const command of commands) terminal.parser.registerOscHandler(command, () => true);

  return {
    write: (text) => terminal.write(text),
    open(place) {
      const fit = new FitAddon();
      terminal.loadAddon(fit);
      terminal.options.fontFamily = getComputedStyle(place).fontFamily;
      openWithNonce(terminal, place);
      fit.fit();
      const observer = new ResizeObserver(() => fit.fit());
      observer.observe(place);
      return () => {
        observer.disconnect();
        terminal.dispose();
      };
    },
    paint(place) {
      terminal.options.theme = colours(place);
    },
  };
}
