// What goes on behind every page: the overview is kept, and whoever should hear of a change does.
import { useEffect, useRef } from "react";
import { useLocation } from "wouter";
import { useStore } from "../client/store.ts";
import { followActivity } from "../live/activity.ts";
import { attention } from "../live/attention.ts";
import { followOverview, type OverviewFollower } from "../live/follow-overview.ts";
import { notify } from "../live/notify.ts";
import { overview } from "../live/overview.ts";
import { statusWords } from "../live/states.ts";
import { workerPath } from "../routes.ts";
import { announce } from "./announcer.tsx";
import { setAttentionCount } from "./page-title.ts";

let follower: OverviewFollower | undefined;

export function loadOlder(): void {
  follower?.loadOlder();
}

export function Watch() {
  useEffect(() => {
    follower = followOverview();
    const endActivity = followActivity();
    return () => {
      follower?.stop();
      follower = undefined;
      endActivity();
    };
  }, []);
  useAttentionOutside();
  useAnnouncements();
  return null;
}

/** In the title, and as notifications: each worker once for each time that it comes to need somebody. */
function useAttentionOutside(): void {
  const needy = useStore(attention);
  const { isLoaded } = useStore(overview);
  const [, navigate] = useLocation();
  const told = useRef<ReadonlySet<string> | undefined>(undefined);
  useEffect(() => {
    setAttentionCount(needy.length);
    if (!isLoaded) return;
    const before = told.current;
    told.current = new Set(needy.map(({ id, status }) => `${id} ${status}`));
    // What was so when the page was opened is no news.
    if (before === undefined) return;
    for (const worker of needy) {
      const { id, status, name } = worker;
      if (!before.has(`${id} ${status}`)) notify(worker, () => navigate(workerPath(name)));
    }
  }, [needy, isLoaded, navigate]);
}

function useAnnouncements(): void {
  useEffect(() => {
    let before = overview.read();
    return overview.watch(() => {
      const now = overview.read();
      if (before.isLoaded) {
        for (const [id, { name, status }] of now.workers) {
          const known = before.workers.get(id);
          if (known !== undefined && known.status !== status) {
            announce(`${name} is ${statusWords[status]}`);
          }
        }
      }
      before = now;
    });
  }, []);
}
