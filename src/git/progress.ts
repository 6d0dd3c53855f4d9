import type { SimpleGitProgressEvent } from "simple-git";

/** 0 to 100, never less than before, and what git does at the moment. */
export type TellProgress = (percent: number, stage: string) => void;

/** Receiving takes most of the time; resolving what was received is the rest. */
const shares: Readonly<Record<string, readonly [from: number, to: number]>> = {
  receiving: [0, 80],
  resolving: [80, 100],
};

export function createProgress(
  tell: TellProgress | undefined,
): ((event: SimpleGitProgressEvent) => void) | undefined {
  if (tell === undefined) return undefined;
  let highest = 0;
  return ({ stage, progress }) => {
    const [from, to] = shares[stage] ?? [0, 0];
    highest = Math.max(highest, Math.floor(from + ((to - from) * progress) / 100));
    tell(highest, stage.replace(/:$/, ""));
  };
}
