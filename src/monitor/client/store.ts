// A value outside of React that React can watch.
import { useSyncExternalStore } from "react";

export interface Store<Value> {
  readonly read: () => Value;
  readonly write: (value: Value) => void;
  /** Returns what ends the watching. */
  readonly watch: (onChange: () => void) => () => void;
}

export function createStore<Value>(initial: Value): Store<Value> {
  let current = initial;
  const watchers = new Set<() => void>();
  return {
    read: () => current,
    write(value) {
      if (Object.is(value, current)) return;
      current = value;
      for (const watcher of [...watchers]) watcher();
    },
    watch(onChange) {
      watchers.add(onChange);
      return () => {
        watchers.delete(onChange);
      };
    },
  };
}

export function useStore<Value>(store: Store<Value>): Value {
  return useSyncExternalStore(store.watch, store.read);
}
