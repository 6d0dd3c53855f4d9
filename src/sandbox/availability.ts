// Whether workers can be locked in on this machine, and if not what to do about it.
import { access, readFile } from "node:fs/promises";
import { constants } from "node:fs";
import { execa } from "execa";
import { codeOf } from "../process/host-failure.ts";
import { isMissing } from "./errors.ts";
import type { SandboxUser } from "./compose.ts";
import { NoFreeUserError, userOf } from "./users.ts";

export type Availability =
  | { readonly available: true; readonly bubblewrap: string; readonly version: string }
  | {
      readonly available: false;
      /** What is missing or refused, one sentence. */
      readonly reason: string;
      /** What an operator does about it, one sentence or command. */
      readonly remedy: string;
    };

export interface AvailabilityOptions {
  /** Where bubblewrap is looked for, as PATH. */
  readonly searchPath: string;
}

/** What the system says about itself, by which a refusal is explained. */
export interface SystemFacts {
  /** Ubuntu 23.10 and later; see `explainRefusal`. */
  readonly isRestrictedByAppArmor: boolean;
  /** Debian's own switch, or a limit of 0. */
  readonly hasNoUserNamespaces: boolean;
  readonly isInContainer: boolean;
  /** A service of systemd's, whose unit may refuse what the machine allows. */
  readonly isInUnit: boolean;
}

/** A start takes 10 ms; a machine that takes longer than this for it is of no use. */
const timeoutMs = 20_000;

/** Tries it: what a kernel, its security modules and a container's rules allow can be known in no other way. */
export async function findAvailability(options: AvailabilityOptions): Promise<Availability> {
  const folders = options.searchPath.split(":").filter((folder) => folder.startsWith("/"));
  const bubblewrap = await findExecutable(folders.map((folder) => `${folder}/bwrap`));
  if (bubblewrap === undefined) return missing("bwrap", "bubblewrap");
  let user: SandboxUser | undefined;
  try {
    user = await userOf("availability");
  } catch (error) {
    if (!(error instanceof NoFreeUserError)) throw error;
    return {
      available: false,
      reason: error.message,
      remedy:
        "start Factory as an ordinary user, or let the container be the boundary and set FACTORY_SANDBOX=off",
    };
  }
  const needed = [
    { file: "/usr/bin/perl", name: "perl", installs: "perl" },
    { file: "/usr/bin/prlimit", name: "prlimit", installs: "util-linux" },
    ...(user === undefined
      ? []
      : [{ file: "/usr/bin/setpriv", name: "setpriv", installs: "util-linux" }]),
  ];
  for (const { file, name, installs } of needed) {
    if ((await findExecutable([file])) === undefined) return missing(name, installs);
  }

  const become =
    user === undefined
      ? []
      : [
          "/usr/bin/setpriv",
          ...["--reuid", String(user.uid), "--regid", String(user.gid), "--clear-groups", "--"],
        ];
  const [program = bubblewrap, ...rest] = [
    ...become,
    bubblewrap,
    ...["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net"],
    // A unit may refuse nothing else than this.
    ...["--hostname", "worker"],
    ...["--cap-drop", "ALL", "--die-with-parent", "--new-session"],
    ...["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"],
    ...["--", "/bin/sh", "-c", ":"],
  ];
  const tried = await execa(program, rest, {
    reject: false,
    extendEnv: false,
    env: { LC_ALL: "C" },
    stdin: "ignore",
    stdout: "ignore",
    timeout: timeoutMs,
    maxBuffer: 10_000,
  });
  if (tried.exitCode !== 0) {
    const words = tried.stderr === "" ? tried.shortMessage : tried.stderr;
    return { available: false, ...explainRefusal(words ?? "", await readFacts()) };
  }
  const { stdout } = await execa(bubblewrap, ["--version"], { timeout: timeoutMs });
  return { available: true, bubblewrap, version: stdout.replace(/^bubblewrap\s+/, "") };
}

function missing(program: string, installs: string): Availability {
  return {
    available: false,
    reason: `${program} is not installed`,
    remedy: `install it: apt-get install ${installs}, dnf install ${installs} or apk add ${installs}`,
  };
}

async function findExecutable(files: readonly string[]): Promise<string | undefined> {
  for (const file of files) {
    try {
      await access(file, constants.X_OK);
      return file;
    } catch (error) {
      if (!isMissing(error) && !isDenied(error)) throw error;
    }
  }
  return undefined;
}

function isDenied(error: unknown): boolean {
  return codeOf(error) === "EACCES";
}

const containerRemedy =
  "start the container with --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined, or let the container be the boundary and set FACTORY_SANDBOX=off";

/**
 * From bubblewrap's own words. Ubuntu lets a program without an AppArmor profile make a user namespace, but do nothing
 * in it: "setting up uid map: Permission denied", or "loopback: Failed RTM_NEWADDR: Operation not permitted". Docker's
 * seccomp filter refuses the namespace ("No permissions to create new namespace"), and without that filter its masked
 * /proc refuses a new one ("Can't mount proc"). Directives of a systemd unit refuse the same, and the host name ("Can't
 * set hostname"), the loopback device and what bubblewrap reads of /proc/sys. Source: bubblewrap's issue 505; Ubuntu
 * 23.10's "Restricted unprivileged user namespaces"; systemd.exec(5).
 */
export function explainRefusal(
  words: string,
  facts: SystemFacts,
): { readonly reason: string; readonly remedy: string } {
  const said = words.trim().split("\n").at(-1)?.slice(0, 300) ?? "";
  const isOfNamespace = /namespace|uid map|RTM_NEWADDR|setting up|mount/i.test(said);
  if (facts.isRestrictedByAppArmor && isOfNamespace && !/mount proc/i.test(said)) {
    return {
      reason: `AppArmor keeps bubblewrap from user namespaces (${said})`,
      remedy:
        "give /usr/bin/bwrap an AppArmor profile that allows userns (docs/sandbox.md has it), or run sysctl kernel.apparmor_restrict_unprivileged_userns=0",
    };
  }
  if (facts.hasNoUserNamespaces && isOfNamespace) {
    return {
      reason: `user namespaces are switched off (${said})`,
      remedy:
        "run sysctl user.max_user_namespaces=15000, and on older Debian sysctl kernel.unprivileged_userns_clone=1",
    };
  }
  if (facts.isInContainer) {
    return {
      reason: `this container allows no sandboxes in it (${said})`,
      remedy: containerRemedy,
    };
  }
  if (facts.isInUnit) {
    return {
      reason: `bubblewrap can't start a sandbox in this systemd unit (${said})`,
      remedy:
        "leave out of the unit what deploy/systemd/factory-runner.service leaves out: ProtectKernelTunables=, ProtectKernelLogs=, ProtectHostname=, ProcSubset=, RestrictNamespaces=, RestrictAddressFamilies= and a SystemCallFilter= of what is allowed",
    };
  }
  return {
    reason: `bubblewrap can't start a sandbox here (${said})`,
    remedy: "see docs/sandbox.md, or set FACTORY_SANDBOX=off",
  };
}

async function readFacts(): Promise<SystemFacts> {
  const [restricted, clone, most, docker, podman, status, groups] = await Promise.all([
    readIfThere("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
    readIfThere("/proc/sys/kernel/unprivileged_userns_clone"),
    readIfThere("/proc/sys/user/max_user_namespaces"),
    readIfThere("/.dockerenv"),
    readIfThere("/run/.containerenv"),
    readIfThere("/proc/self/status"),
    readIfThere("/proc/self/cgroup"),
  ]);
  const isInUnit = isGroupOfService(groups ?? "");
  return {
    isRestrictedByAppArmor: restricted?.trim() === "1",
    hasNoUserNamespaces: clone?.trim() === "0" || most?.trim() === "0",
    // A filter is on every process of a container, else on few but those of units: proc_pid_status(5), "Seccomp".
    isInContainer:
      docker !== undefined ||
      podman !== undefined ||
      (!isInUnit && /^Seccomp:\s*2/m.test(status ?? "")),
    isInUnit,
  };
}

/**
 * From /proc/self/cgroup. The shells of people are below a service too, but in a scope of their own. In a container
 * the path starts at the container's own group.
 */
export function isGroupOfService(groups: string): boolean {
  return /^(0:|\d+:name=systemd):.*\.service(?!.*\.(scope|slice))/m.test(groups);
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (isMissing(error) || isDenied(error)) return undefined;
    throw error;
  }
}
