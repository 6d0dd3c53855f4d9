import type { Terminal } from "@xterm/xterm";
import { readNonce } from "../../../client/nonce.ts";

/**
 * The emulator writes its rules into style elements, and knows no option for the nonce that the page's policy asks
 * for: those that it makes while it opens get it here.
 */
export function openWithNonce(terminal: Terminal, place: HTMLElement): void {
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- names that HTML doesn't know are the emulator's affair
  document.createElement = new Proxy(document.createElement.bind(document), {
    apply(create, self, given) {
      const element: unknown = Reflect.apply(create, self, given);
      if (element instanceof HTMLStyleElement) element.nonce = readNonce();
      return element;
    },
  });
  try {
    terminal.open(place);
  } finally {
    Reflect.deleteProperty(document, "createElement");
  }
}
