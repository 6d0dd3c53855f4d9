import { useDeferredValue, useMemo, useState } from "react";
import { count } from "../../../components/words.ts";
import type { DiffFile } from "./diff-files.ts";
import { FileDiff } from "./file-diff.tsx";
import "react-diff-view/style/index.css";

const filesAtOnce = 100;
/** So much is opened by itself, from the first file on. */
const mostLinesOpen = 400;

/** File by file: each is opened and closed by itself. */
export function DiffView({
  files,
  isCut,
  all,
}: {
  files: readonly DiffFile[];
  /** The server has left something out. */
  isCut: boolean;
  all: number;
}) {
  const [filter, setFilter] = useState("");
  const [most, setMost] = useState(filesAtOnce);
  const wanted = useDeferredValue(filter).toLowerCase();
  const found = files.filter(({ path, oldPath }) =>
    [path, oldPath].some((name) => name.toLowerCase().includes(wanted)),
  );
  const open = useMemo(() => firstOpen(files), [files]);

  if (files.length === 0) return <p className="quiet">Nothing is changed.</p>;
  return (
    <div className="diff-view">
      {isCut && (
        <p className="limit-note" role="note">
          The diff is larger than 1 MiB: {count(files.length, "file")} of {all.toLocaleString("en")}{" "}
          are here, the last of them maybe in part. All of it is in the worktree.
        </p>
      )}
      {files.length > 5 && (
        <input
          type="text"
          className="input diff-filter"
          aria-label="Filter the files"
          placeholder="Filter the files by their path"
          autoComplete="off"
          spellCheck={false}
          value={filter}
          onChange={({ currentTarget }) => setFilter(currentTarget.value)}
        />
      )}
      <ol className="diff-files">
        {found.slice(0, most).map((file) => (
          <FileDiff
            key={`${file.oldPath} ${file.path}`}
            file={file}
            isOpenAtFirst={open.has(file)}
          />
        ))}
      </ol>
      {found.length === 0 && <p className="quiet">No file is called that.</p>}
      {found.length > most && (
        <button type="button" className="button" onClick={() => setMost(most + filesAtOnce)}>
          Show {Math.min(filesAtOnce, found.length - most)} more of {count(found.length, "file")}
        </button>
      )}
    </div>
  );
}

function firstOpen(files: readonly DiffFile[]): ReadonlySet<DiffFile> {
  const open = new Set<DiffFile>();
  let lines = 0;
  for (const file of files) {
    lines += file.insertions + file.deletions;
    if (lines > mostLinesOpen) break;
    open.add(file);
  }
  return open;
}
