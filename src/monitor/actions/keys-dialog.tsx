import { useStore } from "../client/store.ts";
import { Dialog } from "../components/dialog.tsx";
import { CheckField } from "../components/field.tsx";
import { paletteKeys, submitKeys } from "../components/keys-words.ts";
import { allowSingleKeys, bindings, singleKeys } from "./keys.ts";

export function KeysDialog({ onClose }: { onClose: () => void }) {
  const isAllowed = useStore(singleKeys);
  return (
    <Dialog title="Keys" onClose={onClose}>
      <dl className="keys">
        <div>
          <dt>
            <kbd>{paletteKeys}</kbd>
          </dt>
          <dd>do or find anything</dd>
        </div>
        {bindings.map(({ key, words }) => (
          <div key={key} data-off={isAllowed ? undefined : ""}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{words}</dd>
          </div>
        ))}
        <div>
          <dt>
            <kbd>{submitKeys}</kbd>
          </dt>
          <dd>dispatch, from the text of the task</dd>
        </div>
        <div>
          <dt>
            <kbd>Esc</kbd>
          </dt>
          <dd>close what is open</dd>
        </div>
      </dl>
      <CheckField
        label="Keys of a single letter"
        hint="Switch them off where you speak to the browser, or type in it with one hand."
        value={isAllowed}
        onValue={allowSingleKeys}
      />
    </Dialog>
  );
}
