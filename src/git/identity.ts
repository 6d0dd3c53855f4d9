import { join } from "node:path";
import type { Environment } from "./environment.ts";
import { GitFailure } from "./failure.ts";
import type { GitRunner } from "./run.ts";

/** The author and committer of a commit. */
export interface Identity {
  readonly name: string;
  readonly email: string;
}

const fallback: Identity = { name: "Factory", email: "factory@localhost" };

/** From the environment, else from the operator's own configuration, where git itself would look. */
export async function readIdentity(
  git: GitRunner,
  home: string,
  environment: Environment,
): Promise<Identity> {
  const { GIT_AUTHOR_NAME: name, GIT_AUTHOR_EMAIL: email, HOME } = environment;
  const files =
    HOME === undefined
      ? []
      : [
          join(environment["XDG_CONFIG_HOME"] ?? join(HOME, ".config"), "git/config"),
          join(HOME, ".gitconfig"),
        ];
  const found: { name?: string; email?: string } = {};
  // The later file wins (git-config(1), FILES).
  for (const file of files) Object.assign(found, await readUser(git, home, file));
  return {
    name: firstUsable(name, found.name) ?? fallback.name,
    email: firstUsable(email, found.email) ?? fallback.email,
  };
}

/** git refuses to commit for a name of which nothing is left without these (ident.c, "crud"). */
function firstUsable(...values: readonly (string | undefined)[]): string | undefined {
  // eslint-disable-next-line no-control-regex -- control characters are among them
  return values.find((value) => value !== undefined && /[^\u0000- .,:;<>"\\']/.test(value));
}

async function readUser(git: GitRunner, home: string, file: string): Promise<Partial<Identity>> {
  let output: string;
  try {
    output = await git({
      // Read, and nothing in it obeyed.
      arguments: [
        "config",
        "--file",
        file,
        "--includes",
        "-z",
        "--get-regexp",
        "^user\\.(name|email)$",
      ],
      place: { gitDirectory: home },
    });
  } catch (error) {
    // No such file, or nothing in it.
    if (error instanceof GitFailure) return {};
    throw error;
  }
  const user: { name?: string; email?: string } = {};
  for (const entry of output.split("\0")) {
    const [key, value] = entry.split("\n");
    if (value === undefined || value === "") continue;
    if (key === "user.name") user.name = value;
    if (key === "user.email") user.email = value;
  }
  return user;
}
