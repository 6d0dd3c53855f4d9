import { Dialog as Base } from "@base-ui/react/dialog";
import { X } from "lucide-react";
import { useRef, type ReactNode } from "react";

export interface DialogProps {
  readonly title: string;
  readonly description?: ReactNode;
  readonly onClose: () => void;
  readonly size?: "small" | "wide";
  readonly children: ReactNode;
}

/** Where somebody types, else the button that changes nothing: not what closes it, though that stands first. */
const firstOfUse =
  ":is(input, textarea):not([type=checkbox], [aria-hidden=true]), .dialog-actions button";

/** Open for as long as it is there. */
export function Dialog({ title, description, onClose, size = "small", children }: DialogProps) {
  const popup = useRef<HTMLDivElement>(null);
  return (
    <Base.Root open onOpenChange={(isOpen) => (isOpen ? undefined : onClose())}>
      <Base.Portal>
        <Base.Backdrop className="backdrop" />
        <Base.Viewport className="dialog-viewport">
          <Base.Popup
            ref={popup}
            className="dialog"
            data-size={size}
            initialFocus={() => popup.current?.querySelector<HTMLElement>(firstOfUse) ?? true}
          >
            <div className="dialog-head">
              <Base.Title className="dialog-title">{title}</Base.Title>
              <Base.Close className="icon-button" aria-label="Close">
                <X size={16} aria-hidden="true" />
              </Base.Close>
            </div>
            {description !== undefined && (
              <Base.Description className="dialog-description">{description}</Base.Description>
            )}
            {children}
          </Base.Popup>
        </Base.Viewport>
      </Base.Portal>
    </Base.Root>
  );
}

/** The buttons at a dialog's foot. */
export function DialogActions({ children }: { children: ReactNode }) {
  return <div className="dialog-actions">{children}</div>;
}

export function CancelButton({ children = "Cancel" }: { children?: ReactNode }) {
  return <Base.Close className="button">{children}</Base.Close>;
}
