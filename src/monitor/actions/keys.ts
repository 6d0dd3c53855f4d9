// The keys of the whole page. Single letters can be switched off, since speech input types them by mistake.
import { createStore } from "../client/store.ts";
import { readStored, writeStored } from "../client/stored.ts";
import { chooseTheme, themes, themeStore } from "../theme/theme.ts";
import { open, opened } from "./open.ts";

export interface KeyBinding {
  readonly key: string;
  readonly words: string;
  readonly run: () => void;
}

const stored = "single-keys";

export const singleKeys = createStore(readStored(stored) !== false);

export function allowSingleKeys(isAllowed: boolean): void {
  writeStored(stored, isAllowed);
  singleKeys.write(isAllowed);
}

export const bindings: readonly KeyBinding[] = [
  { key: "d", words: "dispatch a worker", run: () => open({ kind: "dispatch" }) },
  { key: "c", words: "clone a repository", run: () => open({ kind: "clone" }) },
  { key: "w", words: "create a worktree", run: () => open({ kind: "create-worktree" }) },
  { key: "/", words: "filter the workers, or find in the stream", run: focusFilter },
  { key: "j", words: "next worker", run: () => moveFocus(1) },
  { key: "k", words: "previous worker", run: () => moveFocus(-1) },
  { key: "a", words: "first worker that needs you", run: focusAttention },
  { key: "t", words: "change the colours", run: changeTheme },
  { key: "?", words: "show these keys", run: () => open({ kind: "keys" }) },
];

/** Returns what ends the listening. */
export function listenForKeys(): () => void {
  function onKey(event: KeyboardEvent): void {
    if (event.defaultPrevented) return;
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      open({ kind: "palette" });
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || !singleKeys.read()) return;
    if (opened.read() !== undefined || isTyping(event.target)) return;
    const binding = bindings.find(({ key }) => key === event.key);
    if (binding === undefined) return;
    event.preventDefault();
    binding.run();
  }
  window.addEventListener("keydown", onKey);
  return () => window.removeEventListener("keydown", onKey);
}

/** Into something that takes letters itself. */
function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable ||
      target.closest("input, textarea, select, [role=dialog], [role=listbox], [role=menu]") !==
        null)
  );
}

function focusFilter(): void {
  document.querySelector<HTMLElement>("[data-filter]")?.focus();
}

function focusAttention(): void {
  document.querySelector<HTMLElement>("[data-attention] :is(a, button)")?.focus();
}

/** From the worker that has the focus, else from the beginning. */
function moveFocus(step: 1 | -1): void {
  const links = [...document.querySelectorAll<HTMLElement>("[data-worker-link]")];
  const at = links.findIndex((link) => link === document.activeElement);
  const next = at === -1 ? 0 : Math.min(links.length - 1, Math.max(0, at + step));
  links[next]?.focus();
}

function changeTheme(): void {
  const at = themes.indexOf(themeStore.read());
  chooseTheme(themes[(at + 1) % themes.length] ?? "system");
}
