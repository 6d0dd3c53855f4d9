// Which folders the gits that run now work in.
import { readFile, readlink, realpath } from "node:fs/promises";
import { join, sep } from "node:path";
import { codeOf, listIfThere } from "./files.ts";

/** Ended, or another user's, which can't write here. ESRCH: ended between two looks (proc(5)). */
const unseen = new Set(["ENOENT", "EACCES", "EPERM", "ESRCH"]);
const placeVariable = /^GIT_(?:DIR|COMMON_DIR|WORK_TREE)=(.+)$/;

/**
 * The working directories and git directories of every git that runs. undefined where processes can't be
 * seen. A git may hold a lock file that it has closed (lockfile.c in git's sources), so this tells more of
 * a lock's owner than the files that are open.
 * Those below `home` begin with it as it is given, also where it leads over symbolic links.
 */
export async function findGitPlaces(home: string): Promise<string[] | undefined> {
  const processes = await listIfThere("/proc");
  if (processes?.includes("self") !== true) return undefined;
  const places: string[] = [];
  for (const pid of processes) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      const name = await readFile(join("/proc", pid, "comm"), "utf8");
      if (!name.startsWith("git")) continue;
      places.push(await readlink(join("/proc", pid, "cwd")));
      const environment = await readFile(join("/proc", pid, "environ"), "utf8");
      for (const variable of environment.split("\0")) {
        const path = placeVariable.exec(variable)?.[1];
        if (path !== undefined) places.push(path);
      }
    } catch (error) {
      if (!unseen.has(codeOf(error) ?? "")) throw error;
    }
  }
  const real = await realpath(home);
  return places.map((place) => (isBelow(place, [real]) ? home + place.slice(real.length) : place));
}

export function isBelow(path: string, folders: readonly string[]): boolean {
  return folders.some((folder) => path === folder || path.startsWith(folder + sep));
}
