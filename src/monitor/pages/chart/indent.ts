import type { CSSProperties } from "react";

/** Deeper ones stand as these do, so that their names can be read. */
const deepest = 6;
const stepPx = 14;

/** For what stands below another; what stands below none keeps its place. */
export function indent(depth: number): CSSProperties | undefined {
  return depth === 0 ? undefined : { marginLeft: Math.min(depth, deepest) * stepPx };
}
