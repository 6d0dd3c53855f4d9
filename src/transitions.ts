/** For each status, those that may follow it. A status with none is final. */
export type Transitions<Status extends string> = Readonly<Record<Status, readonly Status[]>>;

export function mayFollow<Status extends string>(
  transitions: Transitions<Status>,
  from: Status,
  to: Status,
): boolean {
  return transitions[from].includes(to);
}

/**
 * The check where a status is written. A refusal is a bug or a lost race of ours, never a caller's mistake.
 * @throws Error that names both statuses.
 */
export function assertTransition<Status extends string>(
  transitions: Transitions<Status>,
  from: Status,
  to: Status,
): void {
  if (!mayFollow(transitions, from, to)) throw new Error(`${to} can't follow ${from}`);
}
