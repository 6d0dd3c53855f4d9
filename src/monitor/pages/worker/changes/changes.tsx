import { RefreshCw } from "lucide-react";
import { useMemo } from "react";
import { EmptyState } from "../../../components/empty-state.tsx";
import { FailureNote } from "../../../components/failure-note.tsx";
import { Ago } from "../../../components/time.tsx";
import { count } from "../../../components/words.ts";
import { isLive } from "../../../live/states.ts";
import type { Worker } from "../operations.ts";
import "./changes.css";
import { readFiles } from "./diff-files.ts";
import { DiffView } from "./diff-view.tsx";
import type { Commit, Diff, Worktree } from "./operations.ts";
import { useChanges } from "./use-changes.ts";

/** What it committed, and what its worktree holds against its base. */
export default function Changes({ worker }: { worker: Worker }) {
  const { session, failure, at, isReading, readAgain } = useChanges(worker);
  return (
    <div className="changes">
      <div className="changes-head">
        <p className="quiet">
          {isReading || at === undefined ? (
            "Reading what it changed…"
          ) : (
            <>
              Read <Ago at={at} />
            </>
          )}
        </p>
        <button
          type="button"
          className="button"
          data-kind="small"
          disabled={isReading}
          onClick={readAgain}
        >
          <RefreshCw size={13} aria-hidden="true" />
          Read again
        </button>
      </div>
      <FailureNote failure={failure} />
      {session != null && (
        <>
          <Commits commits={session.commits} />
          <WorktreeChanges worker={worker} worktree={session.worktree} />
        </>
      )}
    </div>
  );
}

function Commits({ commits }: { commits: readonly Commit[] }) {
  if (commits.length === 0) return <p className="quiet">It has made no commits.</p>;
  return (
    <section aria-label="Commits">
      <h2 className="changes-title">{count(commits.length, "commit")}</h2>
      <ol className="commits">
        {commits.map(({ id, subject, authorName, committedAt }) => (
          <li key={id} className="commit">
            <code title={id}>{id.slice(0, 8)}</code>
            <span className="commit-subject">{subject}</span>
            <span className="quiet">
              {authorName}, <Ago at={committedAt} />
            </span>
          </li>
        ))}
      </ol>
    </section>
  );
}

function WorktreeChanges({ worker, worktree }: { worker: Worker; worktree: Worktree | null }) {
  if (worktree === null) {
    return (
      <EmptyState title="There is no worktree to look into">
        <p>
          {isLive(worker.status)
            ? "It is checked out when the work begins."
            : "It was removed after the end; the commits above stay with their branch."}
        </p>
      </EmptyState>
    );
  }
  return worktree.diff === null ? (
    <p className="quiet">The diff can’t be read at the moment.</p>
  ) : (
    <DiffSection worktree={worktree} diff={worktree.diff} />
  );
}

function DiffSection({ worktree, diff }: { worktree: Worktree; diff: Diff }) {
  const { base, baseCommit } = worktree;
  const files = useMemo(() => readFiles(diff.text, diff.truncated), [diff]);
  // git doesn't count a file that was moved and nothing else.
  const number = Math.max(files.length, diff.filesChanged);
  return (
    <section aria-label="Diff">
      <h2 className="changes-title">
        {number.toLocaleString("en")} {number === 1 ? "file" : "files"} changed{" "}
        <span className="added">+{diff.insertions.toLocaleString("en")}</span>{" "}
        <span className="removed">−{diff.deletions.toLocaleString("en")}</span>
      </h2>
      <p className="quiet">
        What the worktree holds now, committed or not, against {base ?? "its base"}
        {baseCommit !== null && (
          <>
            {" "}
            at <code>{baseCommit.slice(0, 8)}</code>
          </>
        )}
        .
      </p>
      <DiffView files={files} isCut={diff.truncated} all={number} />
    </section>
  );
}
