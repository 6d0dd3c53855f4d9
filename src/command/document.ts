// The GraphQL documents of the command. Each is made here, so that a test finds them all and holds them against the
// schema: what comes back is then as its document says.

declare const shapes: unique symbol;

export interface Document<Data, Variables extends object> {
  readonly text: string;
  /** Never there: it carries the types. */
  readonly [shapes]?: readonly [Data, Variables];
}

export const documents = new Set<string>();

export function document<Data, Variables extends object = Record<string, never>>(
  text: string,
): Document<Data, Variables> {
  documents.add(text);
  return { text };
}
