// What a worker sees of the system: the programs and libraries below /usr, and of /etc what programs need to run.
import { lstat, readlink } from "node:fs/promises";
import path from "node:path";
import { isMissing } from "./errors.ts";

/** Folders beside /usr that hold programs and libraries, or on most systems are links into it. */
const besideUsr = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/**
 * Of /etc: what the loader, time, names, certificates, language runtimes and terminals need. Left out is whatever
 * may hold a secret (shadow, npmrc, gitconfig, ssh host keys), and what Factory writes itself: passwd, group, hosts.
 */
const etcNames = [
  "alternatives",
  "bash.bashrc",
  "ca-certificates",
  "ca-certificates.conf",
  "crypto-policies",
  "debian_version",
  "fonts",
  "gai.conf",
  "host.conf",
  "inputrc",
  "java-*",
  "ld.so.cache",
  "ld.so.conf",
  "ld.so.conf.d",
  "locale.alias",
  "locale.conf",
  "localtime",
  "lsb-release",
  "magic",
  "magic.mime",
  "maven",
  "mime.types",
  "nsswitch.conf",
  "os-release",
  "perl",
  "pki",
  "profile",
  "profile.d",
  "protocols",
  "python3*",
  "redhat-release",
  "rpc",
  "services",
  "shells",
  "ssl",
  "terminfo",
  "timezone",
  "xdg",
];

/** Empty folders that go with the sandbox, and how much they may hold; TMPDIR is on the disk. */
const inMemory = [
  ["/tmp", 512 * 2 ** 20],
  ["/var/tmp", 16 * 2 ** 20],
  ["/dev/shm", 512 * 2 ** 20],
  ["/run", 2 ** 20],
  ["/home", 2 ** 20],
  ["/root", 2 ** 20],
] as const;

/** Package managers that keep programs elsewhere; shown where they are. */
const stores = ["/nix/store", "/gnu/store"];

/** bubblewrap's arguments for the system's programs and libraries. */
export async function programFolders(): Promise<string[]> {
  const folders = await Promise.all(besideUsr.map((name) => besideArguments(name)));
  return [
    ...["--ro-bind", "/usr", "/usr"],
    ...folders.flat(),
    ...stores.flatMap((store) => ["--ro-bind-try", store, store]),
  ];
}

/** bubblewrap's arguments for the system's own files. `etc` are the names in /etc. */
export async function systemArguments(etc: readonly string[]): Promise<string[]> {
  return [
    ...(await programFolders()),
    ...etc.filter(isShown).flatMap((name) => {
      const file = path.join("/etc", name);
      return ["--ro-bind-try", file, file];
    }),
    ...["--proc", "/proc", "--dev", "/dev"],
    ...inMemory.flatMap(([folder, bytes]) => ["--size", String(bytes), "--tmpfs", folder]),
  ];
}

function isShown(name: string): boolean {
  return etcNames.some((shown) =>
    shown.endsWith("*") ? name.startsWith(shown.slice(0, -1)) : name === shown,
  );
}

/** A link stays a link, so that /bin/sh and /usr/bin/sh are the same file inside too. */
async function besideArguments(name: string): Promise<string[]> {
  const folder = path.join("/", name);
  try {
    return (await lstat(folder)).isSymbolicLink()
      ? ["--symlink", await readlink(folder), folder]
      : ["--ro-bind", folder, folder];
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}
