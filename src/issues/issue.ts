/** An issue, pull request or merge request, as its host tells it. */
export interface Issue {
  readonly title: string;
  /** Empty where it has none. */
  readonly body: string;
  /** The host's word, such as open or closed. */
  readonly state: string;
  readonly labels: readonly string[];
  /** The latest ones, oldest first. */
  readonly comments: readonly IssueComment[];
  /** How many comments came before these. */
  readonly earlierComments: number;
  /** Why there are no comments though the host may have some; undefined: they were read. */
  readonly commentsFault?: string | undefined;
}

export interface IssueComment {
  readonly author: string;
  /** ISO 8601. */
  readonly at: string;
  readonly body: string;
}

/** More is for people to read. */
export const mostComments = 50;

/** An issue's comments, as far as they are wanted. */
export type Comments = Pick<Issue, "comments" | "earlierComments">;
