// The stream, of which only what is seen is in the page; it follows its end until the person scrolls away from it.
import "./stream.css";
import "./terminal-colours.css";
import { ArrowDown } from "lucide-react";
import { useCallback, useDeferredValue, useMemo, useState } from "react";
import { useStore } from "../../../client/store.ts";
import { FailureNote } from "../../../components/failure-note.tsx";
import { count } from "../../../components/words.ts";
import { BlockView } from "./block-view.tsx";
import { kindOf, type Block, type Kind } from "./blocks.ts";
import type { Marks } from "./row.tsx";
import type { WorkerStream } from "./stream.ts";
import { StreamBar } from "./stream-bar.tsx";
import { StreamStart } from "./stream-start.tsx";
import { useList } from "./use-list.ts";
import { useSearch, type Search } from "./use-search.ts";

export function StreamView({ worker, stream }: { worker: string; stream: WorkerStream }) {
  // Drawn in slices, which give way to whatever the person does meanwhile.
  const state = useDeferredValue(useStore(stream.state));
  const [hidden, setHidden] = useState<ReadonlySet<Kind>>(new Set(["usage"]));
  const [open, setOpen] = useState<ReadonlySet<number>>(new Set());
  const blocks = useMemo(
    () => state.blocks.filter((block) => isShown(block, hidden)),
    [state.blocks, hidden],
  );
  const search = useSearch(blocks, state.isCatchingUp);
  const loadEarlier = useCallback(() => void stream.loadEarlier(), [stream]);
  const { setScroller, measure, height, items, unseen, onScroll, onWheel, jump, firstVisible } =
    useList(blocks, state, search.current, loadEarlier);

  const toggle = useCallback((id: number): void => {
    setOpen((before) => {
      const next = new Set(before);
      if (!next.delete(id)) next.add(id);
      return next;
    });
  }, []);

  return (
    <section className="stream" aria-label="What it does">
      <StreamBar
        search={search}
        onMove={(step) => search.move(step, firstVisible())}
        blocks={state.blocks}
        hidden={hidden}
        onHidden={setHidden}
        earlier={state.earlier}
        onLoadAll={() => void loadAll(stream)}
      />
      <div className="stream-frame">
        <div
          ref={setScroller}
          className="stream-scroller"
          role="log"
          aria-live="off"
          aria-label={`Stream of ${worker}`}
          tabIndex={0}
          onScroll={onScroll}
          onWheel={onWheel}
        >
          <div className="stream-sizer" style={{ height: height }}>
            <StreamStart worker={worker} state={state} onLoad={loadEarlier} />
            {items.map(({ key, index, start }) => {
              const block = blocks[index];
              if (block === undefined) return null;
              return (
                <div
                  key={key}
                  data-index={index}
                  ref={measure}
                  className="stream-item"
                  style={{ transform: `translateY(${String(start)}px)` }}
                >
                  <BlockView
                    block={block}
                    marks={marksOf(block, search)}
                    isOpen={open.has(block.id)}
                    onToggle={toggle}
                    isOver={state.isOver}
                  />
                </div>
              );
            })}
          </div>
        </div>
        {unseen !== undefined && (
          <button type="button" className="button jump-button" onClick={jump}>
            <ArrowDown size={14} aria-hidden="true" />
            Jump to the newest
            {unseen > 0 && <span className="unseen">{count(unseen, "new line")}</span>}
          </button>
        )}
      </div>
      <FailureNote failure={state.failure} />
    </section>
  );
}

function isShown(block: Block, hidden: ReadonlySet<Kind>): boolean {
  const kind = kindOf(block);
  return kind === undefined || !hidden.has(kind);
}

const noMarks: Marks = { pattern: undefined, line: undefined, start: undefined };

function marksOf({ id }: Block, { pattern, current }: Search): Marks {
  if (pattern === undefined) return noMarks;
  return current?.blockId === id
    ? { pattern, line: current.line, start: current.start }
    : marksWithout(pattern);
}

/** The same object for the same pattern, so that blocks without the current match aren't drawn anew. */
const known = new WeakMap<RegExp, Marks>();

function marksWithout(pattern: RegExp): Marks {
  const before = known.get(pattern);
  if (before !== undefined) return before;
  const marks: Marks = { pattern, line: undefined, start: undefined };
  known.set(pattern, marks);
  return marks;
}

async function loadAll(stream: WorkerStream): Promise<void> {
  while (stream.state.read().earlier === "more") {
    await stream.loadEarlier();
    if (stream.state.read().earlierFailure !== undefined) return;
  }
}
