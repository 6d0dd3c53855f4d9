import { useState, type SyntheticEvent } from "react";
import { Collapsible } from "@base-ui/react/collapsible";
import { ChevronRight } from "lucide-react";
import { useMutation, useQuery } from "urql";
import { useLocation } from "wouter";
import { failureOf } from "../client/failure.ts";
import type { ResultOf } from "../client/graphql.ts";
import { CancelButton, Dialog, DialogActions } from "../components/dialog.tsx";
import { FailureNote } from "../components/failure-note.tsx";
import { SelectField, TextArea, TextField, type Choice } from "../components/field.tsx";
import { SuggestField } from "../components/suggest-field.tsx";
import { toasts } from "../components/toasts.tsx";
import { useStore } from "../client/store.ts";
import { overview } from "../live/overview.ts";
import { workerPath } from "../routes.ts";
import {
  readChoices,
  rememberChoices,
  toInput,
  type Choices,
  type Work,
} from "./dispatch-choices.ts";
import { DispatchOptions } from "./dispatch-options.tsx";
import { agentsQuery, dispatchWorker } from "./operations.ts";
import { RepositoryField } from "./repository-field.tsx";
import { randomKey } from "./random-key.ts";

const noWork: Work = { task: "", issue: "", branch: "" };

export function DispatchDialog({
  repository,
  branch = "",
  onClose,
}: {
  repository: string | undefined;
  branch: string | undefined;
  onClose: () => void;
}) {
  const [choices, setChoices] = useState<Choices>(() => {
    const remembered = readChoices();
    return { ...remembered, repository: repository ?? remembered.repository };
  });
  const [work, setWork] = useState<Work>({ ...noWork, branch });
  // Sent twice, by a double click or after a lost answer, it is one dispatch.
  const [idempotencyKey] = useState(randomKey);
  const [{ fetching, error }, dispatch] = useMutation(dispatchWorker);
  const [, navigate] = useLocation();
  const [{ data: { agents } = {} }] = useQuery({ query: agentsQuery });
  const { parents } = useStore(overview);

  function choose(change: Partial<Choices>): void {
    setChoices((before) => ({ ...before, ...change }));
  }

  async function submit(event: SyntheticEvent): Promise<void> {
    event.preventDefault();
    const input = toInput(choices, work, idempotencyKey);
    const { data } = await dispatch({ input });
    const worker = data?.dispatchWorker?.worker;
    if (worker === undefined) return;
    rememberChoices(choices);
    toasts.add({
      title: `${worker.name} is dispatched`,
      description: `It works on the branch ${worker.branch}.`,
      actionProps: { children: "Open", onClick: () => navigate(workerPath(worker.name)) },
    });
    onClose();
  }

  const { isCommand, isBare } = describeTask(agents, choices.agent);
  return (
    <Dialog title="Dispatch a worker" onClose={onClose} size="wide">
      <form onSubmit={(event) => void submit(event)}>
        <TextArea
          label={isCommand ? "Command" : "Task"}
          value={work.task}
          onValue={(task) => setWork({ ...work, task })}
          required
          hint={
            isCommand
              ? "A command line for bash, run in the worktree."
              : isBare
                ? `Given to ${choices.agent} as it stands.`
                : "What the agent is to do, in your own words."
          }
        />
        <div className="field-row">
          <RepositoryField
            value={choices.repository}
            onValue={(value) => choose({ repository: value })}
            hint="It is cloned where it isn't yet."
          />
          <SelectField
            label="Agent"
            value={choices.agent}
            onValue={(agent) => choose({ agent })}
            choices={toChoices(agents, choices.agent)}
          />
        </div>
        <div className="field-row">
          <TextField
            label="Branch"
            value={work.branch}
            onValue={(value) => setWork({ ...work, branch: value })}
            placeholder="named after the issue or the worker"
          />
          <TextField
            label="Issue"
            value={work.issue}
            onValue={(issue) => setWork({ ...work, issue })}
            placeholder="a number, a key or an address"
          />
        </div>
        <SuggestField
          label="Parent session"
          value={choices.parentSession}
          onValue={(parentSession) => choose({ parentSession })}
          required
          suggestions={[...parents.values()].map(({ name }) => name)}
          hint="Who asks: workers are grouped by it."
        />
        <Collapsible.Root>
          <Collapsible.Trigger className="disclosure">
            <ChevronRight size={14} aria-hidden="true" />
            More options
          </Collapsible.Trigger>
          <Collapsible.Panel>
            <DispatchOptions choices={choices} onChoose={choose} />
          </Collapsible.Panel>
        </Collapsible.Root>
        <FailureNote failure={error && failureOf(error)} />
        <DialogActions>
          <CancelButton />
          <button
            type="submit"
            className="button"
            data-kind="primary"
            disabled={fetching || work.task.trim() === ""}
          >
            {fetching ? "Dispatching…" : "Dispatch"}
          </button>
        </DialogActions>
      </form>
    </Dialog>
  );
}

type Agents = ResultOf<typeof agentsQuery>["agents"] | undefined;

/** With what is missing for those that can't start; the chosen one too while they are not known. */
function toChoices(agents: Agents, chosen: string): Choice[] {
  if (agents === undefined) return [{ value: chosen, label: chosen }];
  return agents.map(({ name, available }) => ({
    value: name,
    label: available ? name : `${name} (not installed)`,
  }));
}

function describeTask(agents: Agents, chosen: string): { isCommand: boolean; isBare: boolean } {
  const can = agents?.find(({ name }) => name === chosen)?.capabilities ?? [];
  return { isCommand: can.includes("COMMAND_TASK"), isBare: can.includes("TERMINAL_OUTPUT") };
}
