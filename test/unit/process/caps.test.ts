import { existsSync } from "node:fs";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, test } from "@jest/globals";
import { createCapGroups, groupsOf } from "../../../src/process/caps.ts";
import {
  judgeVersion1,
  judgeVersion2,
  readMemoryExcess,
} from "../../../src/process/memory-excess.ts";
import { removeCgroup } from "../../../src/process/cgroup.ts";
import { parseOwn } from "../../../src/process/own-cgroup.ts";
import { terminateAll } from "../../../src/process/terminate.ts";
import { testWithCap } from "../../support/caps.ts";
import { exitOf, stdoutOf, useSessions } from "./sessions.ts";

const sessions = useSessions();
const megabyte = 2 ** 20;

describe("where this process stands", () => {
  const mounts = `
24 30 0:22 / /sys rw - sysfs sysfs rw
31 24 0:26 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw
32 24 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct
33 24 0:28 /box /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory
34 24 0:29 /box /sys/fs/cgroup/pids rw,nosuid - cgroup cgroup rw,pids`;
  const groups =
    "9:name=systemd:/\n5:pids:/other\n4:memory:/box/inner\n2:cpu,cpuacct:/\n0::/app.slice/one\n";

  test.each([
    [undefined, "/sys/fs/cgroup/unified/app.slice/one"],
    ["cpu", "/sys/fs/cgroup/cpu,cpuacct"],
    ["memory", "/sys/fs/cgroup/memory/inner"],
    // Mounted, but not the part that it is in.
    ["pids", undefined],
  ] as const)("by %s is at %s", (controller, found) => {
    expect(parseOwn(mounts, groups, controller)).toBe(found);
  });

  test("is unknown where only the other version is there", () => {
    expect(parseOwn(mounts, "0::/\n", "memory")).toBeUndefined();
    expect(parseOwn(mounts, "4:memory:/box\n")).toBeUndefined();
  });
});

describe("over its cap is", () => {
  const events = (oom: number, kills: number) =>
    `low 0\nhigh 0\nmax 12\noom ${String(oom)}\noom_kill ${String(kills)}\noom_group_kill 1\n`;
  const limit = "67108864\n";
  const excess = { limit: 64 * megabyte };
  const control = (kills: number) => `oom_kill_disable 0\nunder_oom 0\noom_kill ${String(kills)}\n`;

  test("who the kernel ended for it", () => {
    expect(judgeVersion2(events(1, 3), limit)).toEqual(excess);
    expect(judgeVersion1({ control: control(1), most: limit, limit })).toEqual(excess);
    expect(judgeVersion1({ control: control(1), most: "67100000\n", limit })).toEqual(excess);
  });

  test("nobody who was only held down, or ended for what the machine lacks", () => {
    expect(judgeVersion2(events(0, 0), limit)).toBeUndefined();
    expect(judgeVersion2(events(0, 1), limit)).toBeUndefined();
    expect(judgeVersion1({ control: control(0), most: limit, limit })).toBeUndefined();
    expect(judgeVersion1({ control: control(1), most: "50000000\n", limit })).toBeUndefined();
  });

  test("nobody who has none, or whose groups are gone", async () => {
    expect(judgeVersion2(events(1, 1), "max\n")).toBeUndefined();
    const none = "9223372036854771712\n";
    expect(judgeVersion1({ control: control(1), most: "1\n", limit: none })).toBeUndefined();
    expect(await readMemoryExcess(["/no/such/group"])).toBeUndefined();
  });
});

describe("by version 2", () => {
  const nonce = "of-the-tests";
  const caps = { memory: 64 * megabyte, cpus: 1.5, processes: 100 };

  /** What the kernel would show in the group of a worker, in a folder. */
  async function createGroup(controllers: string, handedOut: string): Promise<string> {
    const base = path.join(sessions.base, "base");
    const group = path.join(base, `factory-${nonce}`);
    await mkdir(group, { recursive: true });
    await writeFile(path.join(base, "cgroup.controllers"), `${controllers}\n`);
    await writeFile(path.join(base, "cgroup.subtree_control"), `${handedOut}\n`);
    for (const file of ["memory.max", "memory.oom.group", "cpu.max", "pids.max"]) {
      await writeFile(path.join(group, file), "");
    }
    return group;
  }

  test("all caps are the one group's, and a kernel without swap is no matter", async () => {
    const group = await createGroup("cpuset cpu memory pids", "cpu memory pids");
    expect(await createCapGroups(nonce, caps, group)).toEqual([group]);
    const read = (file: string) => readFile(path.join(group, file), "utf8");
    expect(await read("memory.max")).toBe("67108864");
    expect(await read("memory.oom.group")).toBe("1");
    expect(await read("cpu.max")).toBe("150000 100000");
    expect(await read("pids.max")).toBe("100");
  });

  test("a controller that isn't handed out yet is asked for", async () => {
    const group = await createGroup("cpuset memory", "");
    expect(await createCapGroups(nonce, { memory: caps.memory }, group)).toEqual([group]);
    const control = path.join(group, "..", "cgroup.subtree_control");
    expect(await readFile(control, "utf8")).toContain("+memory");
  });

  test("a controller that is not there is taken from no group that hasn't it", async () => {
    const group = await createGroup("hugetlb", "");
    const groups = await createCapGroups(nonce, { memory: caps.memory }, group).catch(
      (error: unknown) => error,
    );
    if (Array.isArray(groups)) for (const each of groups) await removeCgroup(String(each));
    expect(groups).not.toEqual([group]);
    expect(await readFile(path.join(group, "memory.max"), "utf8")).toBe("");
  });
});

/** Holds as many bytes as it is told. */
const hog = (bytes: number) => `perl -e 'my $held = "a" x ${String(bytes)}; print "held\\n"'`;

testWithCap("memory", "a session is held to its memory, with all that it starts", async () => {
  const session = await sessions.runScript(
    `${hog(16 * megabyte)}; setsid env -i ${hog(200 * megabyte)}; echo "after: $?"`,
    { caps: { memory: 64 * megabyte } },
  );
  const neighbour = await sessions.runScript(hog(100 * megabyte), {
    caps: { memory: 400 * megabyte },
  });
  await exitOf(session);
  expect((await stdoutOf(session)).split("\n")).not.toContain("after: 0");
  expect(await stdoutOf(session)).toMatch(/^held\n/);
  const { identity } = session;
  const groups = await groupsOf(identity.nonce, identity);
  expect(await readMemoryExcess(groups)).toEqual({ limit: 64 * megabyte });
  expect(await exitOf(neighbour)).toMatchObject({ exitCode: 0 });
  expect(
    await readMemoryExcess(await groupsOf(neighbour.identity.nonce, neighbour.identity)),
  ).toBeUndefined();
  for (const { identity: each } of [session, neighbour]) {
    await terminateAll({ identity: each, nonce: each.nonce, graceMs: 0 });
    expect(each.capGroups).not.toEqual([]);
    expect(each.capGroups?.filter((group) => existsSync(group))).toEqual([]);
  }
});

testWithCap("processes", "a session is refused more processes than it may have", async () => {
  const session = await sessions.runScript(
    `exec perl -e 'for (1 .. 40) { my $pid = fork; defined $pid or last; $pid or do { sleep 1000; exit }; $made++ } print "$made: $!\\n"'`,
    { caps: { processes: 16 } },
  );
  await exitOf(session);
  expect(await stdoutOf(session)).toBe("15: Resource temporarily unavailable\n");
});

testWithCap("cpus", "a session computes no more than its processors allow", async () => {
  const session = await sessions.runScript("exec sleep 1000", { caps: { cpus: 0.5 } });
  const [group = ""] = session.identity.capGroups ?? [];
  const held = await Promise.all(
    ["cpu.max", "cpu.cfs_quota_us"].map((file) =>
      readFile(path.join(group, file), "utf8").catch(() => ""),
    ),
  );
  expect(held.join("").trim()).toMatch(/^50000( 100000)?$/);
  const members = await readFile(path.join(group, "cgroup.procs"), "utf8");
  expect(members.split("\n")).toContain(String(session.identity.agent.pid));
});

test("where the machine is out of memory it goes first, and its shim stays", async () => {
  const session = await sessions.runScript(
    "cat /proc/self/oom_score_adj /proc/$PPID/oom_score_adj",
  );
  await exitOf(session);
  const [own, ofShim] = (await stdoutOf(session)).trim().split("\n").map(Number);
  expect(own).toBeGreaterThanOrEqual(500);
  expect(ofShim).toBe(Number(await readFile("/proc/self/oom_score_adj", "utf8")));
});

testWithCap("memory", "no agent is started that can't be held to its caps", async () => {
  const bash = path.join(sessions.base, "bash-that-removes-groups");
  await writeFile(
    bash,
    '#!/bin/bash\nfor it; do [[ $it == --  ]] && break; rmdir "$it" 2>/dev/null; done; exec /bin/bash "$@"\n',
  );
  await chmod(bash, 0o755);
  const folder = await sessions.createFolder();
  const started = sessions.runScript(`touch ${sessions.base}/ran`, {
    bash,
    folder,
    caps: { memory: 64 * megabyte },
  });
  await expect(started).rejects.toMatchObject({
    code: "HOST_FAILURE",
    message: expect.stringContaining("caps"),
  });
  expect(existsSync(path.join(sessions.base, "ran"))).toBe(false);
});
