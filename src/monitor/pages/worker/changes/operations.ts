import { graphql, type ResultOf } from "../../../client/graphql.ts";

export const changesQuery = graphql(`
  query WorkerChanges($id: ID!) {
    workerSession(id: $id) {
      id
      commits {
        id
        subject
        authorName
        committedAt
      }
      worktree {
        id
        branch
        base
        baseCommit
        uncommittedFileCount
        diff {
          text
          truncated
          filesChanged
          insertions
          deletions
        }
      }
    }
  }
`);

type Session = NonNullable<ResultOf<typeof changesQuery>["workerSession"]>;
export type Commit = Session["commits"][number];
export type Worktree = NonNullable<Session["worktree"]>;
export type Diff = NonNullable<Worktree["diff"]>;
