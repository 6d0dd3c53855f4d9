// Which trace the work at hand belongs to, as W3C Trace Context writes it: 00-TRACE-SPAN-FLAGS. A row and a
// worker's environment carry it on, so that a trace goes through processes and over their ends.
// Source: https://www.w3.org/TR/trace-context/
import { AsyncLocalStorage } from "node:async_hooks";
import { createHash, randomBytes } from "node:crypto";

const current = new AsyncLocalStorage<string | undefined>();

/** undefined: this work belongs to none. */
export function currentTrace(): string | undefined {
  return current.getStore();
}

export function withTrace<T>(traceparent: string | undefined, action: () => T): T {
  return current.run(traceparent, action);
}

/** A header's value; undefined where it is none that can be gone on with. */
export function readTraceparent(header: string | undefined): string | undefined {
  const parts = /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-.*)?$/.exec(header ?? "");
  if (parts === null) return undefined;
  const [, version, trace, span, flags, more] = parts;
  if (version === "ff" || (version === "00" && more !== undefined)) return undefined;
  if (/^0+$/.test(trace ?? "") || /^0+$/.test(span ?? "")) return undefined;
  return `00-${String(trace)}-${String(span)}-${String(flags)}`;
}

export function newTrace(): string {
  return `00-${randomBytes(16).toString("hex")}-${randomBytes(8).toString("hex")}-01`;
}

/** The same trace with a further span; `of` makes it one that every process comes to. */
export function childTrace(parent: string, of?: string): string {
  const span =
    of === undefined
      ? randomBytes(8).toString("hex")
      : createHash("sha256").update(of).digest("hex").slice(0, 16);
  const { traceId, flags } = splitTraceparent(parent);
  return `00-${traceId}-${span}-${flags}`;
}

export interface TraceparentParts {
  readonly traceId: string;
  readonly spanId: string;
  readonly flags: string;
}

export function splitTraceparent(traceparent: string): TraceparentParts {
  const [, traceId = "", spanId = "", flags = ""] = traceparent.split("-");
  return { traceId, spanId, flags };
}
