// Plain links: one listener follows those that stay on the page, however many there are.
import { useEffect } from "react";
import { useLocation } from "wouter";
import { pagePrefixes } from "../routes.ts";

/** Where the browser itself would load the page anew. */
export function useLinks(): void {
  const [, navigate] = useLocation();
  useEffect(() => {
    function onClick(event: MouseEvent): void {
      const link = event.target instanceof Element ? event.target.closest("a") : null;
      if (link === null || !isOrdinary(event) || event.defaultPrevented) return;
      const { origin, pathname, hash } = new URL(link.href);
      const isOurs = pathname === "/" || pagePrefixes.some((prefix) => pathname.startsWith(prefix));
      if (origin !== window.location.origin || !isOurs || hash !== "") return;
      event.preventDefault();
      navigate(pathname);
      window.scrollTo(0, 0);
    }
    document.addEventListener("click", onClick);
    return () => document.removeEventListener("click", onClick);
  }, [navigate]);
}

/** No new tab or window is asked for. */
function isOrdinary({ button, altKey, ctrlKey, metaKey, shiftKey }: MouseEvent): boolean {
  return button === 0 && !altKey && !ctrlKey && !metaKey && !shiftKey;
}
