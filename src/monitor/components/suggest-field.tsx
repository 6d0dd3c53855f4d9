import { Autocomplete } from "@base-ui/react/autocomplete";
import { Field } from "@base-ui/react/field";
import { useState } from "react";

interface SuggestProps {
  readonly label: string;
  readonly hint?: string | undefined;
  readonly value: string;
  readonly onValue: (value: string) => void;
  readonly suggestions: readonly string[];
  readonly required?: boolean;
  readonly placeholder?: string;
}

const mostShown = 8;

/** Free text, with suggestions below it. */
export function SuggestField({ label, hint, value, onValue, suggestions, ...rest }: SuggestProps) {
  const [isOpen, setOpen] = useState(false);
  const matches = suggestions
    .filter((text) => text !== value && text.toLowerCase().includes(value.trim().toLowerCase()))
    .slice(0, mostShown);
  return (
    <Field.Root className="field">
      <Autocomplete.Root
        items={matches}
        filter={null}
        value={value}
        onValueChange={onValue}
        // While it is open everything else is hidden from screen readers, also where it is empty.
        open={isOpen && matches.length > 0}
        onOpenChange={setOpen}
        openOnInputClick
      >
        <Field.Label className="field-label">{label}</Field.Label>
        <Autocomplete.Input {...rest} className="input" autoComplete="off" spellCheck={false} />
        <Autocomplete.Portal>
          <Autocomplete.Positioner className="select-positioner" sideOffset={4}>
            <Autocomplete.Popup className="popup select-popup">
              <Autocomplete.List className="select-list">
                {(text: string) => (
                  <Autocomplete.Item key={text} value={text} className="popup-item">
                    {text}
                  </Autocomplete.Item>
                )}
              </Autocomplete.List>
            </Autocomplete.Popup>
          </Autocomplete.Positioner>
        </Autocomplete.Portal>
      </Autocomplete.Root>
      {hint !== undefined && <Field.Description className="field-hint">{hint}</Field.Description>}
    </Field.Root>
  );
}
