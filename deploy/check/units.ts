// systemd's units, without systemd: whether what those of runners forbid leaves the sandbox of workers usable.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

interface Directive {
  readonly name: string;
  readonly value: string;
}

/** All mistakes in the folder's units, a line each. */
export async function checkUnits(folder: string): Promise<string[]> {
  const files = (await readdir(folder)).filter((name) => name.endsWith(".service")).sort();
  const units = await Promise.all(
    files.map(async (file) => ({
      file,
      directives: readDirectives(await readFile(join(folder, file), "utf8")),
    })),
  );
  return units
    .filter(({ directives }) => runsWorkers(directives))
    .flatMap(({ file, directives }) =>
      directives.flatMap((directive) => {
        const why = whyBroken(directive);
        return why === undefined
          ? []
          : [`${file}: ${directive.name}=${directive.value} breaks workers' sandboxes: ${why}`];
      }),
    );
}

/** Source: systemd.syntax(7). */
function readDirectives(text: string): Directive[] {
  return text
    .split("\n")
    .filter((line) => !/^\s*[#;]/.test(line))
    .join("\n")
    .replaceAll(/\\\n/g, " ")
    .split("\n")
    .map((line) => /^\s*(\w+)\s*=\s*(.*?)\s*$/.exec(line))
    .flatMap((match) => {
      const [, name, value] = match ?? [];
      return name === undefined || value === undefined ? [] : [{ name, value }];
    });
}

function runsWorkers(directives: readonly Directive[]): boolean {
  return directives.some(
    ({ name, value }) => name === "ExecStart" && !/--role[ =]api\b/.test(value),
  );
}

const coversProc =
  "it covers a part of /proc, and the kernel then refuses a sandbox a /proc of its own";
/** What bubblewrap needs for itself: it makes namespaces, mounts and a loopback device, and gives a host name. */
const families = ["AF_INET", "AF_NETLINK", "AF_UNIX"];
const calls = ["clone", "clone3", "mount", "pivot_root", "sethostname", "umount2", "unshare"];

/** Source: systemd.exec(5), and trying each with bubblewrap. */
function whyBroken({ name, value }: Directive): string | undefined {
  switch (name) {
    case "ProtectKernelLogs":
    case "ProtectKernelTunables":
      return isOff(value) ? undefined : coversProc;
    case "BindPaths":
    case "BindReadOnlyPaths":
    case "InaccessiblePaths":
    case "ReadOnlyPaths":
    case "TemporaryFileSystem":
      return /(^|[\s:+-])\/proc(\/|[\s:]|$)/.test(value) ? coversProc : undefined;
    case "ProtectHostname":
      return isOff(value) ? undefined : "it refuses them a host name of their own";
    case "ProcSubset":
      return value === "pid" ? "it hides /proc/sys, which bubblewrap reads" : undefined;
    case "RestrictNamespaces":
      return isOff(value) ? undefined : "it refuses namespaces";
    case "RestrictAddressFamilies":
      return families.every((family) => isAllowed(value, family))
        ? undefined
        : `bubblewrap and Factory need ${families.join(", ")}`;
    case "SystemCallFilter":
      return calls.every((call) => isAllowed(value, call)) && !value.includes("@")
        ? undefined
        : "it may refuse the calls by which a sandbox is made";
    default:
      return undefined;
  }
}

/** In a list of what is allowed, or, behind "~", of what is refused. An empty one takes back those before it. */
function isAllowed(list: string, entry: string): boolean {
  if (list === "") return true;
  const isOfRefused = list.startsWith("~");
  const entries = list.slice(isOfRefused ? 1 : 0).split(/\s+/);
  return entries.some((each) => each.split(":")[0] === entry) !== isOfRefused;
}

function isOff(value: string): boolean {
  return ["", "0", "false", "no", "off"].includes(value);
}
