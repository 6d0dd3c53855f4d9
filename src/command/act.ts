/** Wraps what a command does, which resolves with its exit code. */
export type Act = <Given extends readonly unknown[]>(
  run: (...given: Given) => Promise<number>,
) => (...given: Given) => Promise<void>;
