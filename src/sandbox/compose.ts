// From a plain description of what a worker may see and do to the command that starts it so.
import { readdir, realpath } from "node:fs/promises";
import path from "node:path";
import { FactoryError } from "../errors.ts";
import { isMissing } from "./errors.ts";
import { findReach, type Reach } from "./reach.ts";
import { systemArguments } from "./system.ts";

/** Where the folder of sockets and names is inside; short, as a socket's path ends at 107 bytes. */
export const controlFolder = "/run/factory";

/** The loopback port inside at which the proxy answers. */
export const proxyPort = 17_901;
/** The loopback port inside at which Factory's own API answers. */
export const apiPort = 17_902;

/** What the folder of a sandbox's own files holds; see control.ts. */
export const controlNames = {
  proxySocket: "proxy.sock",
  apiSocket: "api.sock",
  passwd: "passwd",
  group: "group",
  hosts: "hosts",
  gitConfiguration: "gitconfig",
  inside: "inside.pl",
} as const;

/** Those of the names above whose files are in /etc inside. */
const shownInEtc = [
  controlNames.passwd,
  controlNames.group,
  controlNames.hosts,
  controlNames.gitConfiguration,
];

/** A user that no other process of the system runs as. */
export interface SandboxUser {
  readonly uid: number;
  readonly gid: number;
}

export interface SandboxDescription {
  /** Program and arguments. The program is an absolute path, or found in `environment.PATH`. No secrets. */
  readonly command: readonly string[];
  /** The whole environment, secrets too: it stands in no command line. What leads to the network is set by the sandbox. */
  readonly environment: Readonly<Record<string, string>>;
  /** Where the command starts. */
  readonly directory: string;
  /** Folders that it may write: the worktree, its repository, HOME, TMPDIR. */
  readonly writable: readonly string[];
  /** Files and folders that it may read: the clone's objects, what the agent's start has written. */
  readonly readable: readonly string[];
  /** Programs with what belongs to them, from `findProgramPaths`. */
  readonly programs: ProgramPaths;
  /** The folder made by `createControlFolder`. */
  readonly control: string;
  /** Whether sockets of a proxy and of the API are in the control folder; without, it has no network at all. */
  readonly hasNetwork: boolean;
  /** Set exactly where the server runs as root. */
  readonly user: SandboxUser | undefined;
  /** How many processes and threads it may have; undefined: as many as the system gives. */
  readonly maxProcesses?: number | undefined;
}

/** Paths that are bound read-only, and links to be made as they are outside. */
export interface ProgramPaths {
  readonly files: readonly string[];
  /** Targets by the link's path. */
  readonly links: Readonly<Record<string, string>>;
}

export interface ComposeContext {
  /** Absolute path of bubblewrap. */
  readonly bubblewrap: string;
  /** Folders that may not come into sight, as a whole or by a folder above: FACTORY_HOME. */
  readonly hidden: readonly string[];
}

export interface SandboxedCommand {
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

const perl = "/usr/bin/perl";
const setpriv = "/usr/bin/setpriv";
const prlimit = "/usr/bin/prlimit";

/**
 * The command that runs the description's command inside a sandbox of its own: own user, processes, IPC, host name,
 * cgroup view and network; every capability gone, `no_new_privs` set, calls of the kernel that no worker needs shut
 * (on x64 and arm64; see inside.pl); in sight are the system's programs and what the
 * description names. Each path is inside what it is outside.
 *
 * Variables come by the environment of bubblewrap, which only its own user may read, so that none has to stand in a
 * command line. When the outer process dies the sandbox dies with all that is in it.
 *
 * @throws FactoryError INTERNAL where the description makes no sense; HOST_FAILURE where a path is missing, or leads
 * elsewhere: bubblewrap would follow a link that a worker has put there
 */
export async function composeSandbox(
  description: SandboxDescription,
  context: ComposeContext,
): Promise<SandboxedCommand> {
  const { writable, readable, programs, control, hasNetwork, user } = description;
  if ((process.getuid?.() === 0) !== (user !== undefined)) {
    throw new FactoryError("INTERNAL", "as root, and only then, a sandbox has a user of its own");
  }
  const binds = [
    ...writable.map((folder) => ({ option: "--bind", folder })),
    ...[...readable, ...programs.files].map((folder) => ({ option: "--ro-bind", folder })),
  ];
  await Promise.all(binds.map(({ folder }) => requireHarmless(folder, context.hidden)));
  const reach =
    user === undefined ? open : await findReach([control, ...binds.map(({ folder }) => folder)]);
  // A folder comes before what is in it, or it would hide that.
  binds.sort((one, other) => depthOf(one.folder) - depthOf(other.folder));

  const bubblewrap = [
    context.bubblewrap,
    ...["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net"],
    ...["--unshare-cgroup-try", "--hostname", "worker", "--cap-drop", "ALL"],
    ...["--die-with-parent", "--new-session"],
    ...(await systemArguments(await readdir("/etc"))),
    ...Object.entries(programs.links)
      // What is below /usr and in what is bound is there already.
      .filter(([link]) => !isBelow(link, ["/usr", ...binds.map(({ folder }) => folder)]))
      .flatMap(([link, target]) => ["--symlink", target, link]),
    ...binds.flatMap(({ option, folder }) => [option, reach.sourceOf(folder), folder]),
    ...["--ro-bind", reach.sourceOf(control), controlFolder],
    ...shownInEtc.flatMap((name) => [
      "--ro-bind",
      path.join(reach.sourceOf(control), name),
      path.join("/etc", name),
    ]),
    // Made for the mounts; nothing may be written beside them, and what is in memory only isn't meant to be.
    ...["--remount-ro", "/", "--chdir", description.directory, "--"],
  ];
  const ports = hasNetwork
    ? [
        `${String(proxyPort)}=${controlFolder}/${controlNames.proxySocket}`,
        `${String(apiPort)}=${controlFolder}/${controlNames.apiSocket}`,
      ]
    : [];
  return {
    command: [
      ...reach.prefix,
      ...(user === undefined ? [] : becomeUser(user)),
      ...bubblewrap,
      ...limitProcesses(description.maxProcesses),
      ...[perl, `${controlFolder}/${controlNames.inside}`, process.arch, ...ports, "--"],
      ...description.command,
    ],
    environment: { ...withoutProxies(description.environment), ...networkOf(hasNetwork) },
  };
}

/** Who starts bubblewrap as itself gets to all that it can show. */
const open: Reach = { prefix: [], sourceOf: (file) => file };

function becomeUser({ uid, gid }: SandboxUser): string[] {
  if (uid === 0 || gid === 0) {
    throw new FactoryError("INTERNAL", "a sandbox's user can't be root: its files could be read");
  }
  return [setpriv, "--reuid", String(uid), "--regid", String(gid), "--clear-groups", "--"];
}

/** Counted within the sandbox's own user namespace alone. Source: Linux 5.14, RLIMIT_NPROC by ucounts. */
function limitProcesses(max: number | undefined): string[] {
  return max === undefined ? [] : [prlimit, `--nproc=${String(max)}:${String(max)}`, "--"];
}

const proxyNames = ["http_proxy", "https_proxy"].flatMap((name) => [name, name.toUpperCase()]);
const exceptionNames = ["no_proxy", "NO_PROXY"];

/** Those of the server's lead to where a worker gets by its own proxy alone, and may hold a password. */
function withoutProxies(environment: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).filter(([name]) => !/^(https?|all|no|ftp)_proxy$/i.test(name)),
  );
}

/** ALL_PROXY isn't among them: gemini and opencode fail on it. */
function networkOf(hasNetwork: boolean): Record<string, string> {
  if (!hasNetwork) return {};
  const url = `http://127.0.0.1:${String(proxyPort)}`;
  return {
    ...Object.fromEntries(proxyNames.map((name) => [name, url])),
    ...Object.fromEntries(exceptionNames.map((name) => [name, "localhost,127.0.0.1,::1"])),
    NODE_USE_ENV_PROXY: "1",
  };
}

/** A link at its place would be followed, to whatever it leads to. */
async function requireHarmless(folder: string, hidden: readonly string[]): Promise<void> {
  if (!path.isAbsolute(folder) || path.normalize(folder) !== folder || folder === "/") {
    throw new FactoryError("INTERNAL", `not a path that a sandbox can show: ${folder}`);
  }
  const covered = hidden.find((secret) => isBelow(secret, [folder]));
  if (covered !== undefined) {
    throw new FactoryError("INTERNAL", `a sandbox that shows ${folder} would show ${covered}`);
  }
  let real: string;
  try {
    real = await realpath(folder);
  } catch (error) {
    if (!isMissing(error)) throw error;
    throw new FactoryError("HOST_FAILURE", `${folder} is missing, which the worker needs`, {
      cause: error,
    });
  }
  if (real !== folder) {
    throw new FactoryError(
      "HOST_FAILURE",
      `${folder} leads to ${real}: a worker may have replaced it by a link; remove it`,
    );
  }
}

function isBelow(file: string, folders: readonly string[]): boolean {
  return folders.some((folder) => file === folder || file.startsWith(`${folder}/`));
}

function depthOf(folder: string): number {
  return folder.split("/").length;
}
