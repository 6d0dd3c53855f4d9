// The tool calls that a protocol's state remembers, by their ids, in the order in which they were told of. A list:
// objects with other keys each time take V8 a hundred times as long to copy, and this is copied with each call.

export type Calls<Call> = readonly (readonly [id: string, call: Call])[];

/** @param stored by this version, or by an earlier one, which kept an object */
export function callsIn<Call>(stored: Calls<Call> | Readonly<Record<string, Call>>): Calls<Call> {
  return isList(stored) ? stored : Object.entries(stored);
}

function isList<Call>(stored: Calls<Call> | Readonly<Record<string, Call>>): stored is Calls<Call> {
  return Array.isArray(stored);
}

export function findCall<Call>(calls: Calls<Call>, id: string): Call | undefined {
  return calls.find(([known]) => known === id)?.[1];
}

/** Where it is known already, it keeps its place. */
export function withCall<Call>(calls: Calls<Call>, id: string, call: Call): Calls<Call> {
  const at = calls.findIndex(([known]) => known === id);
  return at === -1 ? [...calls, [id, call]] : calls.with(at, [id, call]);
}
