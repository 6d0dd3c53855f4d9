import { execFile } from "node:child_process";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import {
  explainRefusal,
  findAvailability,
  isGroupOfService,
  type Availability,
} from "../../../src/sandbox/availability.ts";
import { describeSandbox, runProgram, serverUsers } from "../../support/sandbox.ts";

const program = path.join(import.meta.dirname, "run-availability.ts");

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "factory-availability-"));
});

afterAll(() => rm(folder, { recursive: true }));

test("where bubblewrap is missing, the reason names it and the remedy installs it", async () => {
  expect(await findAvailability({ searchPath: folder })).toEqual({
    available: false,
    reason: "bwrap is not installed",
    remedy: "install it: apt-get install bubblewrap, dnf install bubblewrap or apk add bubblewrap",
  });
});

test("a bubblewrap of a relative folder counts for nothing", async () => {
  expect(await findAvailability({ searchPath: "usr/bin:." })).toMatchObject({
    reason: "bwrap is not installed",
  });
});

describeSandbox("where it works", () => {
  test.each(serverUsers)("$name finds it", async (user) => {
    expect(await runProgram<Availability>(user, program, { searchPath: "/usr/bin" })).toEqual({
      available: true,
      bubblewrap: "/usr/bin/bwrap",
      version: expect.stringMatching(/^\d+\.\d+/),
    });
  });

  const lastUser = serverUsers.at(-1)!;
  const testAsOther = lastUser.uid === 0 ? test.skip : test;
  testAsOther(
    "where the kernel gives no user namespaces, the reason says so and the remedy names the switch",
    async () => {
      // A namespace has a limit of its own: this one allows none below it, while the machine does.
      const script =
        'echo 0 >/proc/sys/user/max_user_namespaces && exec setpriv --inh-caps=-all --ambient-caps=-all "$@"';
      const [file, ...rest] = [
        ...lastUser.prefix,
        ...["unshare", "--map-current-user", "--keep-caps", "--"],
        ...["bash", "-c", script, "bash", process.execPath, program],
        JSON.stringify({ searchPath: "/usr/bin" }),
      ];
      const { stdout } = await promisify(execFile)(file, rest);
      expect(JSON.parse(stdout)).toEqual({
        available: false,
        reason: expect.stringMatching(/^user namespaces are switched off \(bwrap: /),
        remedy: expect.stringMatching(/^run sysctl user.max_user_namespaces=15000/),
      });
    },
  );
});

test("a bubblewrap that says nothing and fails is told with how it ended", async () => {
  const own = await mkdtemp(path.join(folder, "bin-"));
  await writeFile(path.join(own, "bwrap"), "#!/bin/sh\nexit 3\n", { mode: 0o755 });
  await symlink("/usr/bin/perl", path.join(own, "perl"));
  expect(await findAvailability({ searchPath: own })).toMatchObject({ available: false });
});

describe("bubblewrap's words are explained", () => {
  const none = {
    isRestrictedByAppArmor: false,
    hasNoUserNamespaces: false,
    isInContainer: false,
    isInUnit: false,
  };

  test.each([
    "bwrap: setting up uid map: Permission denied",
    "bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted",
  ])("Ubuntu's AppArmor: %s", (words) => {
    expect(explainRefusal(words, { ...none, isRestrictedByAppArmor: true })).toEqual({
      reason: `AppArmor keeps bubblewrap from user namespaces (${words})`,
      remedy: expect.stringMatching(
        /AppArmor profile.*docs\/sandbox.md.*kernel.apparmor_restrict_unprivileged_userns=0/,
      ),
    });
  });

  test.each([
    "bwrap: No permissions to create new namespace, likely because the kernel does not allow non-privileged user namespaces.",
    "bwrap: Creating new namespace failed: Operation not permitted",
    "bwrap: Can't mount proc on /newroot/proc: Operation not permitted",
  ])("a container: %s", (words) => {
    expect(explainRefusal(words, { ...none, isInContainer: true })).toEqual({
      reason: `this container allows no sandboxes in it (${words})`,
      remedy: expect.stringMatching(
        /seccomp=unconfined.*systempaths=unconfined.*FACTORY_SANDBOX=off$/,
      ),
    });
  });

  test.each([
    "bwrap: Can't set hostname to worker: Operation not permitted",
    "bwrap: Can't mount proc on /newroot/proc: Operation not permitted",
    "bwrap: Can't read /proc/sys/kernel/overflowuid: No such file or directory",
    "bwrap: loopback: Failed to create NETLINK_ROUTE socket: Address family not supported by protocol",
  ])("a unit of systemd's: %s", (words) => {
    expect(explainRefusal(words, { ...none, isInUnit: true })).toEqual({
      reason: `bubblewrap can't start a sandbox in this systemd unit (${words})`,
      remedy: expect.stringMatching(/factory-runner\.service.*ProtectKernelTunables=/),
    });
  });

  test("what is not known stands as it was said", () => {
    expect(explainRefusal("bwrap: something\nbwrap: else", none)).toEqual({
      reason: "bubblewrap can't start a sandbox here (bwrap: else)",
      remedy: "see docs/sandbox.md, or set FACTORY_SANDBOX=off",
    });
  });
});

test.each([
  ["0::/system.slice/factory-runner.service\n", true],
  ["0::/system.slice/factory-runner.service/server\n", true],
  ["0::/user.slice/user-1000.slice/user@1000.service/app.slice/factory.service\n", true],
  ["4:memory:/system.slice\n1:name=systemd:/system.slice/factory-runner.service\n", true],
  ["0::/user.slice/user-1000.slice/user@1000.service/app.slice/vte-spawn-1.scope\n", false],
  ["0::/user.slice/user-1000.slice/session-3.scope\n", false],
  ["0::/\n", false],
  ["4:memory:/system.slice/docker.service\n0::/\n", false],
  ["", false],
])("whether %j is the control group of a service: %s", (groups, expected) => {
  expect(isGroupOfService(groups)).toBe(expected);
});
