import { useEffect, useState } from "react";
import { useStore } from "../../client/store.ts";
import { EmptyState } from "../../components/empty-state.tsx";
import { FailureNote } from "../../components/failure-note.tsx";
import { usePageTitle } from "../../components/page-title.ts";
import { routes } from "../../routes.ts";
import { Facts } from "./facts.tsx";
import { createPageFollower } from "./follow-page.ts";
import { Head } from "./head.tsx";
import { Views } from "./views.tsx";
import "../../theme/phases.css";
import "./worker.css";

export default function WorkerPage({ name }: { name: string }) {
  usePageTitle(name);
  const [follower] = useState(() => createPageFollower(name));
  useEffect(() => follower.start(), [follower]);
  const { worker, failure } = useStore(follower.state);

  if (worker === null) {
    return (
      <EmptyState isPage title={`There is no ${name}`}>
        <p>
          Workers are called worker-1, worker-2 and so on.{" "}
          <a href={routes.overview}>See which there are</a>
        </p>
      </EmptyState>
    );
  }
  if (worker === undefined) return <FailureNote failure={failure} />;
  return (
    <div className="worker-page">
      <Head worker={worker} />
      <Views worker={worker} onChange={follower.refresh} />
      <Facts worker={worker} />
    </div>
  );
}
