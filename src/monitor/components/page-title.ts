// The title of the browser's tab: what needs somebody first, then the page's own.
import { useEffect } from "react";
import { createStore } from "../client/store.ts";

const page = createStore("");
const attention = createStore(0);

function apply(): void {
  const count = attention.read();
  const own = page.read();
  document.title = `${count > 0 ? `(${String(count)}) ` : ""}${own === "" ? "" : `${own} · `}Factory`;
}
page.watch(apply);
attention.watch(apply);

/** For as long as the page is shown. */
export function usePageTitle(title: string): void {
  useEffect(() => {
    page.write(title);
    return () => page.write("");
  }, [title]);
}

/** How many workers need somebody, in front of every page's title. */
export function setAttentionCount(count: number): void {
  attention.write(count);
}
