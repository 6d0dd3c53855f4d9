import { useState } from "react";
import { firstLine } from "../../components/words.ts";

const shortLength = 200;

/** What it was told to do: its first line, as a title would be. A task may be a hundred thousand bytes long. */
export function Task({ task }: { task: string }) {
  const [isOpen, setOpen] = useState(false);
  const start = firstLine(task).slice(0, shortLength);
  const isLong = start.length < task.trim().length;
  return (
    <div className="task">
      <span className="task-text">{isOpen ? task : start}</span>{" "}
      {isLong && (
        <button
          type="button"
          className="text-button"
          aria-expanded={isOpen}
          onClick={() => setOpen(!isOpen)}
        >
          {isOpen ? "Show less" : "Show the whole task"}
        </button>
      )}
    </div>
  );
}
