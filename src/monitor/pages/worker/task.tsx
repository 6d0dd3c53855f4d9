import { useState } from "react";

const shortLength = 240;
const shortLines = 2;

/** What it was told to do. A task may be a hundred thousand bytes long. */
export function Task({ task }: { task: string }) {
  const [isOpen, setOpen] = useState(false);
  const start = task.split("\n").slice(0, shortLines).join("\n").slice(0, shortLength);
  const isLong = start.length < task.length;
  return (
    <div className="task">
      <p className="task-text">
        {isOpen ? task : start}
        {isLong && !isOpen && "…"}
      </p>
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
