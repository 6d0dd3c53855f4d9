import { abortable } from "./abortable.ts";
import type { StoredEvent } from "./read.ts";

/** The events that the viewer may hear of; ending it ends its source. */
export function filterEvents(
  source: AsyncGenerator<StoredEvent>,
  passes: (event: StoredEvent) => Promise<boolean>,
): AsyncGenerator<StoredEvent> {
  async function* pass(): AsyncGenerator<StoredEvent> {
    for await (const event of source) {
      if (await passes(event)) yield event;
    }
  }
  return abortable(pass, () => void source.return(undefined));
}
