import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { createMonitor } from "../../../src/server/monitor.ts";

test("where the monitor is not built, its page says how to build it", async () => {
  const folder = await mkdtemp(join(tmpdir(), "factory-monitor-"));
  try {
    const response = await createMonitor(folder).page();
    expect(response.status).toBe(503);
    expect(await response.text()).toContain("npm run build:monitor");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
