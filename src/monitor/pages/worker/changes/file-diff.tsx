import { ChevronDown, ChevronRight } from "lucide-react";
import { Fragment, useMemo, useState } from "react";
import { Decoration, Diff, Hunk } from "react-diff-view";
import { count } from "../../../components/words.ts";
import type { DiffFile } from "./diff-files.ts";
import { countChanges, firstLines, readHunks } from "./hunks.ts";

const linesAtOnce = 500;

export function FileDiff({ file, isOpenAtFirst }: { file: DiffFile; isOpenAtFirst: boolean }) {
  const [isOpen, setOpen] = useState(isOpenAtFirst);
  const Icon = isOpen ? ChevronDown : ChevronRight;
  return (
    <li className="file-diff">
      <h3 className="file-head">
        <button
          type="button"
          className="file-button"
          aria-expanded={isOpen}
          onClick={() => setOpen(!isOpen)}
        >
          <Icon size={14} aria-hidden="true" />
          <span className="file-path">
            {file.kind === "renamed" || file.kind === "copied" ? `${file.oldPath} → ` : ""}
            {file.path}
          </span>
          {file.kind !== "changed" && <span className="file-kind">{file.kind}</span>}
          {file.isBinary ? (
            <span className="quiet">binary</span>
          ) : (
            <span className="file-counts">
              <span className="added">+{file.insertions.toLocaleString("en")}</span>{" "}
              <span className="removed">−{file.deletions.toLocaleString("en")}</span>
            </span>
          )}
        </button>
      </h3>
      {isOpen && <FileBody file={file} />}
    </li>
  );
}

function FileBody({ file }: { file: DiffFile }) {
  const [most, setMost] = useState(linesAtOnce);
  const hunks = useMemo(() => (file.isBinary ? [] : readHunks(file.text)), [file]);
  const all = countChanges(hunks);
  const shown = useMemo(() => firstLines(hunks, most), [hunks, most]);
  return (
    <div className="file-body">
      {file.modes !== undefined && (
        <p className="file-note">
          Its mode is {file.modes[1]}; it was {file.modes[0]}.
        </p>
      )}
      {all === 0 ? (
        <p className="file-note">{emptyWords(file)}</p>
      ) : (
        <Diff viewType="unified" diffType="modify" hunks={shown} optimizeSelection={false}>
          {(drawn) =>
            drawn.map((hunk) => (
              <Fragment key={`${hunk.content} ${String(hunk.newStart)}`}>
                <Decoration>
                  <span className="hunk-head">{hunk.content}</span>
                </Decoration>
                <Hunk hunk={hunk} />
              </Fragment>
            ))
          }
        </Diff>
      )}
      {all > most && (
        <button
          type="button"
          className="button"
          data-kind="small"
          onClick={() => setMost(most + linesAtOnce)}
        >
          Show {Math.min(linesAtOnce, all - most)} more of {count(all, "line")}
        </button>
      )}
    </div>
  );
}

function emptyWords({ isBinary, kind, modes }: DiffFile): string {
  if (isBinary) return "A binary file, which has no lines to show.";
  if (kind === "renamed" || kind === "copied") return "Its content is the same.";
  if (modes !== undefined) return "Nothing but its mode has changed.";
  return kind === "deleted" ? "It was empty." : "It is empty.";
}
