import { watch } from "node:fs";

/**
 * Calls `onChange` when the file, or a name in the folder, changes, until disposed. Only a hint: if
 * the file is missing or the kernel has no watch left (inotify(7), ENOSPC), nothing is ever
 * reported, and the caller's own slow check has to do.
 */
export function watchPath(file: string, onChange: () => void): Disposable {
  try {
    const watcher = watch(file, onChange);
    watcher.on("error", () => watcher.close());
    return { [Symbol.dispose]: () => watcher.close() };
  } catch {
    return { [Symbol.dispose]: () => undefined };
  }
}
