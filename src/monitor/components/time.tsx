import { useClock } from "../live/clock.ts";
import { tellAgo, tellDuration, tellMoment } from "./words.ts";

/** How long ago it was. */
export function Ago({ at }: { at: string }) {
  const text = useClock((now) => tellAgo(at, now));
  return (
    <time dateTime={at} title={tellMoment(at)}>
      {text}
    </time>
  );
}

/** How long it has been since then. */
export function Since({ at }: { at: string }) {
  const text = useClock((now) => tellDuration(now - Date.parse(at)));
  return (
    <time dateTime={at} title={`since ${tellMoment(at)}`}>
      {text}
    </time>
  );
}
