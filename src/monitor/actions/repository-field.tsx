import { SuggestField } from "../components/suggest-field.tsx";
import { useStore } from "../client/store.ts";
import { overview } from "../live/overview.ts";

/** owner/name, of those that are cloned or any other. */
export function RepositoryField({
  value,
  onValue,
  hint,
}: {
  value: string;
  onValue: (value: string) => void;
  hint?: string;
}) {
  const { repositories } = useStore(overview);
  return (
    <SuggestField
      label="Repository"
      value={value}
      onValue={onValue}
      required
      placeholder="owner/name"
      suggestions={[...repositories.values()].map(({ nameWithOwner }) => nameWithOwner)}
      hint={hint}
    />
  );
}
