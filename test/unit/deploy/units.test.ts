import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { checkUnits } from "../../../deploy/check/units.ts";

const units = join(import.meta.dirname, "..", "..", "..", "deploy", "systemd");
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "factory-units-"));
  cpSync(units, folder, { recursive: true });
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** Puts lines at the end of a unit's [Service]. */
function add(unit: string, lines: string): void {
  const path = join(folder, unit);
  writeFileSync(path, readFileSync(path, "utf8").replace("\n[Install]", `${lines}\n\n[Install]`));
}

test("nothing is wrong with the units that there are", async () => {
  expect(await checkUnits(folder)).toEqual([]);
});

test.each([
  "ProtectKernelTunables=yes",
  "ProtectKernelLogs=true",
  "ProtectHostname=yes",
  "ProcSubset=pid",
  "RestrictNamespaces=yes",
  "RestrictNamespaces=~user",
  "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
  "RestrictAddressFamilies=~AF_NETLINK",
  "RestrictAddressFamilies=none",
  "SystemCallFilter=@system-service",
  "SystemCallFilter=~@mount",
  "SystemCallFilter=~syslog mount:EPERM",
  "InaccessiblePaths=/sys/firmware -/proc/kcore",
  "InaccessiblePaths=/sys/firmware \\\n  /proc/kcore",
  "  ProtectHostname = yes",
])("a runner's unit may not have %j", async (lines) => {
  add("factory-runner.service", lines);
  expect(await checkUnits(folder)).toEqual([
    expect.stringMatching(/^factory-runner\.service: \w+=.* breaks workers' sandboxes: ./),
  ]);
});

test.each([
  "# ProtectHostname=yes",
  "ProtectHostname=no",
  "RestrictNamespaces=false",
  "RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX",
  "RestrictAddressFamilies=~AF_PACKET",
  "SystemCallFilter=~syslog:EPERM",
  "InaccessiblePaths=/srv/proc /procedures",
])("a runner's unit may have %j", async (lines) => {
  add("factory-runner.service", lines);
  expect(await checkUnits(folder)).toEqual([]);
});

test("a unit that runs no workers may forbid all", async () => {
  add("factory-api.service", "RestrictNamespaces=yes\nProcSubset=pid");
  expect(await checkUnits(folder)).toEqual([]);
});
