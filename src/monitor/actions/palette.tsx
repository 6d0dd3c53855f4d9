import { Autocomplete } from "@base-ui/react/autocomplete";
import { Dialog } from "@base-ui/react/dialog";
import { Search } from "lucide-react";
import { useMemo, useState } from "react";
import { useLocation } from "wouter";
import { useStore } from "../client/store.ts";
import { firstLine } from "../components/words.ts";
import type { Overview } from "../live/overview.ts";
import { overview } from "../live/overview.ts";
import { statusWords } from "../live/states.ts";
import { routes, timeChartPath, workerPath } from "../routes.ts";
import { bindings } from "./keys.ts";
import { open } from "./open.ts";
import { signOut } from "./sign-out.ts";
import { sync } from "./sync.ts";

interface Item {
  readonly value: string;
  readonly label: string;
  readonly detail: string;
  readonly run: () => void;
}

interface Group {
  readonly value: string;
  readonly items: readonly Item[];
}

/** Of one kind; typing finds the rest. */
const mostShown = 50;

export function Palette({ onClose }: { onClose: () => void }) {
  const known = useStore(overview);
  const [, navigate] = useLocation();
  const [query, setQuery] = useState("");
  const groups = useMemo(
    () => [...goTo(query, known, navigate), ...collect(known, navigate)],
    [query, known, navigate],
  );

  function run(item: Item): void {
    onClose();
    item.run();
  }

  return (
    <Dialog.Root open onOpenChange={(isOpen) => (isOpen ? undefined : onClose())}>
      <Dialog.Portal>
        <Dialog.Backdrop className="backdrop" />
        <Dialog.Viewport className="palette-viewport">
          <Dialog.Popup className="palette" aria-label="Command palette">
            <Autocomplete.Root
              open
              inline
              items={groups}
              value={query}
              onValueChange={setQuery}
              itemToStringValue={({ label, detail }: Item) => `${label} ${detail}`}
              limit={mostShown}
              autoHighlight="always"
              keepHighlight
            >
              <div className="palette-input">
                <Search size={16} aria-hidden="true" />
                <Autocomplete.Input aria-label="Do or find" placeholder="Do or find anything…" />
                <Dialog.Close className="button" data-kind="small">
                  Esc
                </Dialog.Close>
              </div>
              <Autocomplete.Empty>
                <p className="palette-empty">Nothing is called that.</p>
              </Autocomplete.Empty>
              <Autocomplete.List className="palette-list">
                {(group: Group) => (
                  <Autocomplete.Group key={group.value} items={group.items}>
                    <Autocomplete.GroupLabel className="palette-group">
                      {group.value}
                    </Autocomplete.GroupLabel>
                    <Autocomplete.Collection>
                      {(item: Item) => (
                        <Autocomplete.Item
                          key={item.value}
                          value={item}
                          className="popup-item"
                          onClick={() => run(item)}
                        >
                          <span className="palette-label">{item.label}</span>
                          <span className="palette-detail">{item.detail}</span>
                        </Autocomplete.Item>
                      )}
                    </Autocomplete.Collection>
                  </Autocomplete.Group>
                )}
              </Autocomplete.List>
            </Autocomplete.Root>
          </Dialog.Popup>
        </Dialog.Viewport>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

/** A worker by its name or number, where it is so old that it isn't loaded. */
function goTo(query: string, { workers }: Overview, navigate: (path: string) => void): Group[] {
  const [, number] = /^\s*(?:worker-)?([1-9]\d{0,9})\s*$/.exec(query) ?? [];
  if (number === undefined) return [];
  const name = `worker-${number}`;
  if ([...workers.values()].some((worker) => worker.name === name)) return [];
  const item = {
    value: name,
    label: `Go to ${name}`,
    detail: query,
    run: () => navigate(workerPath(name)),
  };
  return [{ value: "Go to", items: [item] }];
}

function collect(
  { workers, parents, repositories, worktrees }: Overview,
  navigate: (path: string) => void,
): Group[] {
  const actions: Item[] = [
    {
      value: "overview",
      label: "Go to the overview",
      detail: "",
      run: () => navigate(routes.overview),
    },
    ...bindings
      .filter(({ key }) => /^[dcwt?]$/.test(key))
      .map(({ key, words, run }) => ({
        value: `key:${key}`,
        label: words.charAt(0).toUpperCase() + words.slice(1),
        detail: key,
        run,
      })),
    { value: "sign-out", label: "Sign out", detail: "", run: () => void signOut() },
  ];
  const groups = [
    { value: "Do", items: actions },
    {
      value: "Workers",
      items: [...workers.values()].map(({ id, name, status, task, branch }) => ({
        value: id,
        label: `${name} · ${firstLine(task).slice(0, 120)}`,
        detail: `${statusWords[status]} · ${branch}`,
        run: () => navigate(workerPath(name)),
      })),
    },
    {
      value: "Time charts",
      items: [...parents.values()].map(({ id, name }) => ({
        value: id,
        label: name,
        detail: "time chart",
        run: () => navigate(timeChartPath(name)),
      })),
    },
    {
      value: "Repositories",
      items: [...repositories.values()].flatMap((repository) => [
        {
          value: `sync:${repository.id}`,
          label: `Sync ${repository.nameWithOwner}`,
          detail: "fetch from its remote",
          run: () => void sync(repository),
        },
        {
          value: `dispatch:${repository.id}`,
          label: `Dispatch to ${repository.nameWithOwner}`,
          detail: "",
          run: () => open({ kind: "dispatch", repository: repository.nameWithOwner }),
        },
      ]),
    },
    {
      value: "Worktrees",
      items: [...worktrees.values()]
        .filter(({ status }) => status === "READY" || status === "FAILED")
        .map((worktree) => ({
          value: worktree.id,
          label: `Delete the worktree of ${worktree.branch}`,
          detail: worktree.repository.nameWithOwner,
          run: () => open({ kind: "delete-worktree", worktree }),
        })),
    },
  ];
  return groups.filter(({ items }) => items.length > 0);
}
