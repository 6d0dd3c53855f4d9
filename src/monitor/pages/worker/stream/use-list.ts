// Which blocks are in the page, and whether its end is followed.
import { useVirtualizer, type VirtualItem } from "@tanstack/react-virtual";
import {
  useCallback,
  useEffect,
  useEffectEvent,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import type { Block } from "./blocks.ts";
import { createEstimate } from "./estimate.ts";
import type { Match } from "./search.ts";
import type { StreamState } from "./stream.ts";

/** So close to the end counts as being there. */
const nearEnd = 40;
/** So close to the beginning, what came earlier is asked for. */
const nearStart = 600;
/** For what is said at the beginning. */
export const startHeight = 48;
const endHeight = 12;
/** How often the page is asked whether it has drawn the match by now. */
const mostFrames = 40;
const gutter = 100;

export interface List {
  readonly setScroller: (element: HTMLDivElement | null) => void;
  readonly height: number;
  readonly items: readonly VirtualItem[];
  /** Lines that came while the person was elsewhere; undefined: the end is followed. */
  readonly unseen: number | undefined;
  readonly measure: (element: HTMLElement | null) => void;
  readonly onScroll: () => void;
  /** The wheel is turned before anything has moved. */
  readonly onWheel: (event: { readonly deltaY: number }) => void;
  readonly jump: () => void;
  readonly firstVisible: () => number | undefined;
}

export function useList(
  blocks: readonly Block[],
  { added, earlier }: Pick<StreamState, "added" | "earlier">,
  match: Match | undefined,
  loadEarlier: () => void,
): List {
  const [scroller, setScroller] = useState<HTMLDivElement | null>(null);
  const estimate = useMemo(createEstimate, []);
  const lastTop = useRef(0);
  /** How many lines there were when the person left the end. */
  const [left, setLeft] = useState<number | undefined>(undefined);

  // eslint-disable-next-line react-hooks/incompatible-library -- its object stays the same while what it tells changes: nothing of that is remembered here
  const list = useVirtualizer<HTMLDivElement, HTMLElement>({
    count: blocks.length,
    getScrollElement: () => scroller,
    getItemKey: (index) => blocks[index]?.id ?? index,
    estimateSize(index) {
      const block = blocks[index];
      const width = (scroller?.clientWidth ?? 800) - gutter;
      return block === undefined ? 0 : estimate(block, width);
    },
    paddingStart: startHeight,
    paddingEnd: endHeight,
    overscan: 2,
    anchorTo: "end",
    followOnAppend: true,
    scrollEndThreshold: nearEnd,
    useFlushSync: false,
  });

  const onScroll = useCallback((): void => {
    if (scroller === null) return;
    const isUp = scroller.scrollTop < lastTop.current;
    lastTop.current = scroller.scrollTop;
    if (isAtEnd(scroller)) setLeft(undefined);
    else if (isUp) setLeft((before) => before ?? added);
    if (earlier === "more" && scroller.scrollTop < nearStart) loadEarlier();
  }, [scroller, added, earlier, loadEarlier]);

  // The list follows its end by itself, unless it grows by more than it can tell from somebody's scrolling.
  const height = list.getTotalSize();
  useLayoutEffect(() => {
    if (left === undefined && scroller !== null && !isAtEnd(scroller)) list.scrollToEnd();
  }, [list, scroller, left, height, blocks]);

  // A stream that doesn't fill its frame can't be scrolled.
  const isShort = height <= (scroller?.clientHeight ?? 0);
  useEffect(() => {
    if (isShort && earlier === "more") loadEarlier();
  }, [isShort, earlier, loadEarlier]);

  useMatchInView(list, scroller, blocks, match);

  return {
    setScroller,
    height,
    items: list.getVirtualItems(),
    unseen: left === undefined ? undefined : Math.max(0, added - left),
    measure: list.measureElement,
    onScroll,
    onWheel({ deltaY }) {
      if (deltaY < 0 && scroller !== null && scroller.scrollTop > 0) {
        setLeft((before) => before ?? added);
      }
    },
    jump: () => setLeft(undefined),
    firstVisible: () => {
      const offset = list.scrollOffset ?? 0;
      const index = list.getVirtualItemForOffset(offset)?.index;
      return index === undefined ? undefined : blocks[index]?.id;
    },
  };
}

function isAtEnd({ scrollHeight, scrollTop, clientHeight }: HTMLElement): boolean {
  return scrollHeight - scrollTop - clientHeight <= nearEnd;
}

type Virtual = ReturnType<typeof useVirtualizer<HTMLDivElement, HTMLElement>>;

/** First its block, then, once that is drawn, the match itself. */
function useMatchInView(
  list: Virtual,
  scroller: HTMLDivElement | null,
  blocks: readonly Block[],
  match: Match | undefined,
): void {
  const indexOf = useEffectEvent(({ blockId }: Match) =>
    blocks.findIndex(({ id }) => id === blockId),
  );
  useEffect(() => {
    if (match === undefined) return undefined;
    let frames = 0;
    let frame = 0;
    const look = (): void => {
      const mark = scroller?.querySelector("mark[data-current]");
      if (scroller !== null && mark != null) {
        const { top, height } = scroller.getBoundingClientRect();
        list.scrollBy(mark.getBoundingClientRect().top - top - height / 2);
        return;
      }
      if (frames === 0) list.scrollToIndex(indexOf(match), { align: "center" });
      frames += 1;
      if (frames < mostFrames) frame = requestAnimationFrame(look);
    };
    frame = requestAnimationFrame(look);
    return () => cancelAnimationFrame(frame);
  }, [list, scroller, match]);
}
