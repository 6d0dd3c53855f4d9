import { useEffect, useState } from "react";
import { Link } from "wouter";
import { graphql, type ResultOf } from "../../client/graphql.ts";
import { ask, useStream } from "../../client/stream.ts";
import { EmptyState } from "../../components/empty-state.tsx";
import { usePageTitle } from "../../components/page-title.ts";
import { workerPath } from "../../routes.ts";

const overviewQuery = graphql(`
  query Overview {
    repositories(first: 100) {
      nodes {
        id
        nameWithOwner
        status
      }
    }
    workerSessions(last: 50) {
      nodes {
        id
        name
        status
        agent
        branch
      }
    }
  }
`);

const changes = graphql(`
  subscription OverviewChanged {
    overviewChanged {
      at
    }
  }
`);

export function OverviewPage() {
  usePageTitle("");
  const [data, setData] = useState<ResultOf<typeof overviewQuery> | undefined>(undefined);
  const [turn, setTurn] = useState(0);
  useStream("overview", changes, () => ({}), { onData: () => setTurn((before) => before + 1) });
  useEffect(() => {
    const left = new AbortController();
    void ask(overviewQuery, {}, left.signal).then(setData, () => undefined);
    return () => left.abort();
  }, [turn]);

  if (data === undefined) return null;
  return (
    <>
      <h1 className="visually-hidden">Overview</h1>
      {data.workerSessions.nodes.length === 0 && <EmptyState title="No workers yet" />}
      <ul>
        {data.workerSessions.nodes.map(({ id, name, status, agent, branch }) => (
          <li key={id}>
            <Link href={workerPath(name)}>{name}</Link> {status} {agent} {branch}
          </li>
        ))}
      </ul>
    </>
  );
}
