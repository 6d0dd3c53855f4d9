import { CheckField, SelectField, TextField } from "../components/field.tsx";
import type { Choices } from "./dispatch-choices.ts";

const cleanupChoices = [
  { value: "KEEP", label: "Keep it" },
  { value: "ON_SUCCESS", label: "Delete it when the work succeeded" },
  { value: "ALWAYS", label: "Delete it always" },
];

const permissionChoices = [
  { value: "", label: "As the server has it" },
  { value: "ASK", label: "Ask me" },
  { value: "ALLOW", label: "Allow" },
  { value: "DENY", label: "Deny" },
];

const sandboxChoices = [
  { value: "", label: "As the server has it" },
  { value: "REQUIRED", label: "Required" },
  { value: "OFF", label: "Off" },
];

/** What most dispatches leave as it is. */
export function DispatchOptions({
  choices,
  onChoose,
}: {
  choices: Choices;
  onChoose: (change: Partial<Choices>) => void;
}) {
  return (
    <div className="field-group">
      <div className="field-row">
        <TextField
          label="Base"
          value={choices.base}
          onValue={(base) => onChoose({ base })}
          placeholder="the remote's default branch"
        />
        <NumberField
          label="Priority"
          value={choices.priority}
          onValue={(priority) => onChoose({ priority })}
          hint="Higher runs first."
        />
      </div>
      <div className="field-row">
        <SelectField
          label="Permission requests"
          value={choices.permissions}
          onValue={(permissions) => onChoose({ permissions })}
          choices={permissionChoices}
        />
        <SelectField
          label="Worktree at the end"
          value={choices.cleanup}
          onValue={(cleanup) => onChoose({ cleanup })}
          choices={cleanupChoices}
        />
      </div>
      <div className="field-row">
        <NumberField
          label="Time limit (minutes)"
          value={choices.timeoutMinutes}
          onValue={(timeoutMinutes) => onChoose({ timeoutMinutes })}
          placeholder="none"
        />
        <NumberField
          label="Cost limit (US dollars)"
          value={choices.maxCostUsd}
          onValue={(maxCostUsd) => onChoose({ maxCostUsd })}
          placeholder="none"
        />
      </div>
      <div className="field-row">
        <NumberField
          label="Turn limit"
          value={choices.maxTurns}
          onValue={(maxTurns) => onChoose({ maxTurns })}
          placeholder="none"
        />
        <NumberField
          label="Starts again"
          value={choices.retries}
          onValue={(retries) => onChoose({ retries })}
          hint="How often, where its runner is lost."
        />
      </div>
      <div className="field-row">
        <SelectField
          label="Sandbox"
          value={choices.sandbox}
          onValue={(sandbox) => onChoose({ sandbox })}
          choices={sandboxChoices}
        />
        <TextField
          label="Hosts that it may reach"
          value={choices.allowedHosts}
          onValue={(allowedHosts) => onChoose({ allowedHosts })}
          placeholder="the listed ones"
          hint="Beside those, from its sandbox; with commas between."
        />
      </div>
      <div className="field-row">
        <NumberField
          label="Memory cap (MiB)"
          value={choices.maxMemoryMib}
          onValue={(maxMemoryMib) => onChoose({ maxMemoryMib })}
          placeholder="as the server has it"
        />
        <NumberField
          label="Processor cap"
          value={choices.maxCpus}
          onValue={(maxCpus) => onChoose({ maxCpus })}
          placeholder="as the server has it"
        />
        <NumberField
          label="Process cap"
          value={choices.maxProcesses}
          onValue={(maxProcesses) => onChoose({ maxProcesses })}
          placeholder="as the server has it"
        />
      </div>
      <CheckField
        label="Push the branch when the work succeeded"
        value={choices.push}
        onValue={(push) => onChoose({ push })}
      />
      <CheckField
        label="Let the agent push its branch from its sandbox"
        value={choices.agentPush}
        onValue={(agentPush) => onChoose({ agentPush })}
      />
    </div>
  );
}

/** A number as text; what is no number is for the browser to refuse, and the rest for the server. */
function NumberField(props: {
  readonly label: string;
  readonly value: string;
  readonly onValue: (value: string) => void;
  readonly placeholder?: string;
  readonly hint?: string;
}) {
  return <TextField {...props} inputMode="decimal" pattern="-?[0-9]*[.]?[0-9]*" />;
}
