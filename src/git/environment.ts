import { networkVariables } from "../network-variables.ts";
import { pickVariables } from "../pick-variables.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** What git and ssh need of the server's own environment. Of GIT_* only what can run no command. */
const passed = [
  "PATH",
  // For ssh's keys and known hosts, and curl's .netrc. git's own files below it are switched off.
  "HOME",
  "SSH_AUTH_SOCK",
  "TMPDIR",
  ...networkVariables,
];

/** The environment of every call of git, but for the folders that it works on. */
export function buildGitEnvironment(
  source: Environment,
  protocols: readonly string[],
): Record<string, string> {
  const environment: Record<string, string> = {
    LC_ALL: "C",
    // The pristine configuration of the repository's control folder is the only one (see control.ts).
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_ATTR_NOSYSTEM: "1",
    // A worker may have made replace refs (git-replace(1)), which would show us other objects than there are.
    GIT_NO_REPLACE_OBJECTS: "1",
    // What a new repository is made of: git 3 has other defaults, whose refs can't be reached by links.
    GIT_DEFAULT_REF_FORMAT: "files",
    GIT_DEFAULT_HASH: "sha1",
    GIT_TERMINAL_PROMPT: "0",
    GIT_SSH_COMMAND:
      "ssh -oBatchMode=yes -oConnectTimeout=30 -oServerAliveInterval=15 -oServerAliveCountMax=4",
    GIT_SSH_VARIANT: "ssh",
    GIT_ALLOW_PROTOCOL: protocols.join(":"),
    GIT_PROTOCOL_FROM_USER: "0",
    // git writes somebody's name beside what it notes in reflogs.
    GIT_AUTHOR_NAME: "Factory",
    GIT_AUTHOR_EMAIL: "factory@localhost",
    GIT_COMMITTER_NAME: "Factory",
    GIT_COMMITTER_EMAIL: "factory@localhost",
  };
  return { ...environment, ...pickVariables(source, passed) };
}
