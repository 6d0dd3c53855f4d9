import { ChevronDown, ChevronUp, Search as SearchIcon } from "lucide-react";
import { useEffect, useRef, type KeyboardEvent } from "react";
import { kindOf, kinds, type Block, type Kind } from "./blocks.ts";
import type { StreamState } from "./stream.ts";
import type { Search } from "./use-search.ts";

const kindWords: Readonly<Record<Kind, string>> = {
  message: "Messages",
  thought: "Thoughts",
  tool: "Tools",
  output: "Output",
  status: "Statuses",
  usage: "Usage",
};

interface StreamBarProps {
  readonly search: Search;
  readonly onMove: (step: 1 | -1) => void;
  readonly blocks: readonly Block[];
  readonly hidden: ReadonlySet<Kind>;
  readonly onHidden: (hidden: ReadonlySet<Kind>) => void;
  readonly earlier: StreamState["earlier"];
  readonly onLoadAll: () => void;
}

/** Which kinds are shown, and what is looked for. */
export function StreamBar(props: StreamBarProps) {
  const { search, blocks, hidden, onHidden, earlier, onLoadAll } = props;
  const there = new Set(blocks.map(kindOf));

  function toggle(kind: Kind): void {
    const next = new Set(hidden);
    if (!next.delete(kind)) next.add(kind);
    onHidden(next);
  }

  return (
    <div className="stream-bar">
      <div className="chips" role="group" aria-label="Shown">
        {kinds
          .filter((kind) => there.has(kind))
          .map((kind) => (
            <button
              key={kind}
              type="button"
              className="chip"
              aria-pressed={!hidden.has(kind)}
              onClick={() => toggle(kind)}
            >
              {kindWords[kind]}
            </button>
          ))}
      </div>
      <Find {...props} />
      {search.pattern !== undefined && earlier !== "none" && (
        <button
          type="button"
          className="button"
          data-kind="small"
          disabled={earlier === "loading"}
          onClick={onLoadAll}
        >
          {earlier === "loading" ? "Loading…" : "Load all that came earlier"}
        </button>
      )}
    </div>
  );
}

function Find({ search, onMove }: Pick<StreamBarProps, "search" | "onMove">) {
  const input = useRef<HTMLInputElement>(null);

  // The browser's own search sees of the stream what is drawn alone. Asked for again, it comes.
  useEffect(() => {
    function onKey(event: globalThis.KeyboardEvent): void {
      const isFind = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "f";
      if (!isFind || document.activeElement === input.current) return;
      event.preventDefault();
      input.current?.focus();
      input.current?.select();
    }
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);

  function onKey(event: KeyboardEvent): void {
    if (event.key === "Enter") onMove(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape" && search.query !== "") search.setQuery("");
    else return;
    event.preventDefault();
  }

  return (
    <search className="find">
      <SearchIcon size={14} aria-hidden="true" className="find-icon" />
      <input
        ref={input}
        type="text"
        className="find-input"
        data-filter
        aria-label="Find in the stream"
        placeholder="Find"
        autoComplete="off"
        spellCheck={false}
        value={search.query}
        onChange={({ currentTarget }) => search.setQuery(currentTarget.value)}
        onKeyDown={onKey}
      />
      <span role="status" className="find-count">
        {search.words}
      </span>
      <button
        type="button"
        className="icon-button"
        aria-label="Previous match"
        disabled={search.pattern === undefined}
        onClick={() => onMove(-1)}
      >
        <ChevronUp size={15} aria-hidden="true" />
      </button>
      <button
        type="button"
        className="icon-button"
        aria-label="Next match"
        disabled={search.pattern === undefined}
        onClick={() => onMove(1)}
      >
        <ChevronDown size={15} aria-hidden="true" />
      </button>
    </search>
  );
}
