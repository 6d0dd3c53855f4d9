// Repositories of a given size, made at once by git fast-import.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { GitServer } from "../test/support/git-server.ts";

export interface RepositorySize {
  readonly files: number;
  readonly bytesPerFile: number;
}

const filesPerFolder = 50;
const words =
  "the of return const await function import export if else for while new class static".split(" ");

/** The same content at every run. */
export async function createLargeRepository(
  git: GitServer,
  owner: string,
  name: string,
  { files, bytesPerFile }: RepositorySize,
): Promise<void> {
  await git.createRepository(owner, name, { empty: true });
  const importer = spawn("git", ["fast-import", "--quiet"], {
    cwd: join(git.folder, owner, `${name}.git`),
    stdio: ["pipe", "ignore", "inherit"],
  });
  const ended = once(importer, "close");
  const random = createRandom(files);
  importer.stdin.write(
    "commit refs/heads/main\ncommitter Ada <ada@example.org> 0 +0000\ndata 5\nBegin\n",
  );
  for (let file = 0; file < files; file += 1) {
    const path = `folder-${String(Math.floor(file / filesPerFolder))}/file-${String(file)}.txt`;
    const content = writeText(random, bytesPerFile);
    const whole = importer.stdin.write(
      `M 100644 inline ${path}\ndata ${String(content.length)}\n${content}\n`,
    );
    if (!whole) await once(importer.stdin, "drain");
  }
  importer.stdin.end();
  const [code] = await ended;
  if (code !== 0) throw new Error(`git fast-import ended with ${String(code)}`);
}

/** Moves the default branch to a further commit, without writing any file. */
export async function advance(git: GitServer, owner: string, name: string): Promise<void> {
  const commit = await git.git(owner, name, "commit-tree", "-p", "main", "-m", "On", "main^{tree}");
  await git.git(owner, name, "update-ref", "refs/heads/main", commit);
}

/** In length and in how well it packs about as source code is. */
function writeText(random: () => number, bytes: number): string {
  let text = "";
  while (text.length < bytes) {
    const word = words[Math.floor(random() * words.length)] ?? "";
    text += `${word} name${Math.floor(random() * 10_000).toString(36)}${random() < 0.2 ? ";\n" : " "}`;
  }
  return text.slice(0, bytes);
}

/** The linear congruential generator of Numerical Recipes, from 0 to 1. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
