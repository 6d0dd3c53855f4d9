import { Checkbox } from "@base-ui/react/checkbox";
import { Field as Base } from "@base-ui/react/field";
import { Select as BaseSelect } from "@base-ui/react/select";
import { Check, ChevronDown } from "lucide-react";
import type { ComponentProps, KeyboardEvent, ReactNode } from "react";

interface FieldProps {
  readonly label: string;
  readonly hint?: ReactNode;
}

type TextProps = FieldProps &
  Omit<ComponentProps<typeof Base.Control>, "value" | "defaultValue" | "onValueChange"> & {
    readonly value: string;
    readonly onValue: (value: string) => void;
  };

export function TextField({ label, hint, value, onValue, ...rest }: TextProps) {
  return (
    <Base.Root className="field">
      <Base.Label className="field-label">{label}</Base.Label>
      <Base.Control
        {...rest}
        className="input"
        value={value}
        onValueChange={onValue}
        autoComplete="off"
        spellCheck={false}
      />
      {hint !== undefined && <Base.Description className="field-hint">{hint}</Base.Description>}
    </Base.Root>
  );
}

type AreaProps = FieldProps & {
  readonly value: string;
  readonly onValue: (value: string) => void;
  readonly rows?: number;
  readonly required?: boolean;
};

export function TextArea({ label, hint, value, onValue, rows = 5, required = false }: AreaProps) {
  return (
    <Base.Root className="field">
      <Base.Label className="field-label">{label}</Base.Label>
      <Base.Control
        className="input"
        value={value}
        onValueChange={onValue}
        required={required}
        render={<textarea rows={rows} spellCheck={false} onKeyDown={submitByKeys} />}
      />
      {hint !== undefined && <Base.Description className="field-hint">{hint}</Base.Description>}
    </Base.Root>
  );
}

/** Enter alone begins a new line. */
function submitByKeys(event: KeyboardEvent<HTMLTextAreaElement>): void {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  event.currentTarget.form?.requestSubmit();
}

type CheckProps = FieldProps & {
  readonly value: boolean;
  readonly onValue: (value: boolean) => void;
};

export function CheckField({ label, hint, value, onValue }: CheckProps) {
  return (
    <Base.Root className="field">
      <Base.Label className="check-label">
        <Checkbox.Root className="checkbox" checked={value} onCheckedChange={onValue}>
          <Checkbox.Indicator>
            <Check size={12} strokeWidth={3} aria-hidden="true" />
          </Checkbox.Indicator>
        </Checkbox.Root>
        {label}
      </Base.Label>
      {hint !== undefined && <Base.Description className="field-hint">{hint}</Base.Description>}
    </Base.Root>
  );
}

export interface Choice {
  readonly value: string;
  readonly label: string;
  readonly isDisabled?: boolean;
}

type SelectProps = FieldProps & {
  readonly value: string;
  readonly onValue: (value: string) => void;
  readonly choices: readonly Choice[];
};

export function SelectField({ label, hint, value, onValue, choices }: SelectProps) {
  return (
    <Base.Root className="field">
      <BaseSelect.Root
        items={choices}
        value={value}
        onValueChange={(chosen) => onValue(chosen ?? "")}
        modal={false}
      >
        <BaseSelect.Label className="field-label">{label}</BaseSelect.Label>
        <BaseSelect.Trigger className="input select-trigger">
          <BaseSelect.Value />
          <BaseSelect.Icon className="select-icon">
            <ChevronDown size={14} aria-hidden="true" />
          </BaseSelect.Icon>
        </BaseSelect.Trigger>
        <BaseSelect.Portal>
          <BaseSelect.Positioner
            className="select-positioner"
            sideOffset={4}
            alignItemWithTrigger={false}
          >
            <BaseSelect.Popup className="popup select-popup">
              <BaseSelect.List className="select-list">
                {choices.map((choice) => (
                  <BaseSelect.Item
                    key={choice.value}
                    value={choice.value}
                    disabled={choice.isDisabled ?? false}
                    className="popup-item"
                  >
                    <BaseSelect.ItemText>{choice.label}</BaseSelect.ItemText>
                    <BaseSelect.ItemIndicator className="popup-item-end">
                      <Check size={14} aria-hidden="true" />
                    </BaseSelect.ItemIndicator>
                  </BaseSelect.Item>
                ))}
              </BaseSelect.List>
            </BaseSelect.Popup>
          </BaseSelect.Positioner>
        </BaseSelect.Portal>
      </BaseSelect.Root>
      {hint !== undefined && <Base.Description className="field-hint">{hint}</Base.Description>}
    </Base.Root>
  );
}
