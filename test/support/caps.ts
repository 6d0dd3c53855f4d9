// Tests that need control groups which hold a worker to its caps.
import { test } from "@jest/globals";
import type { CapName } from "../../src/caps.ts";
import { findMissingCaps } from "../../src/process/caps.ts";

const missing = await findMissingCaps();

/** A test that is skipped where this machine can't hold a worker to the cap, with the reason in its name. */
export function testWithCap(cap: CapName, name: string, run: () => Promise<void>): void {
  const reason = missing.get(cap);
  if (reason === undefined) test(name, run);
  else test.skip(`${name} (skipped: ${reason})`, run);
}
