/** Resolves after this time, or as soon as the signal is aborted; whoever awaits it asks which it was. */
export function delay(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = window.setTimeout(resolve, ms);
  const end = (): void => resolve();
  signal.addEventListener("abort", end);
  if (signal.aborted) end();
  return promise.finally(() => {
    window.clearTimeout(timer);
    signal.removeEventListener("abort", end);
  });
}
