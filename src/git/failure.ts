import { FactoryError, type ErrorCode } from "../errors.ts";
import { redactUrl } from "./remote-url.ts";

/** A git that ended with another exit code than 0. */
export class GitFailure extends Error {
  override readonly name = "GitFailure";
  /** The subcommand, such as fetch. */
  readonly command: string;
  /** null: ended by a signal. Negative: it could not be started. */
  readonly exitCode: number | null;
  /** git's own words, without credentials. */
  readonly words: string;

  constructor(command: string, exitCode: number | null, stderr: string) {
    const words = redactUrl(stderr).trim();
    super(`git ${command} ended with ${exitCode ?? "a signal"}: ${words}`);
    this.command = command;
    this.exitCode = exitCode;
    this.words = words;
  }
}

type Rule = readonly [RegExp, ErrorCode, remedy: string];

/** Of the machine: may come from any command. The words are strerror(3)'s in the C locale. */
const hostRules: readonly Rule[] = [
  [
    /spawn \S+ ENOENT|failed to execute git/,
    "HOST_FAILURE",
    "git is not on the server's PATH: install it",
  ],
  [/No space left on device|Disk quota exceeded/, "HOST_FAILURE", "the disk is full: make room"],
  [/Read-only file system/, "HOST_FAILURE", "the file system is read-only: make it writable"],
  [
    /(?:Cannot allocate memory|out of memory|Too many open files|Resource temporarily unavailable|EMFILE|EAGAIN|ENOMEM)/i,
    "HOST_FAILURE",
    "the host is out of memory, processes or file descriptors",
  ],
  [
    /(?:could not|cannot|unable to|failed to) (?:create|open|write|mkdir|unlink)[^\n]*Permission denied/i,
    "HOST_FAILURE",
    "a folder is not writable: check FACTORY_HOME's owner and mode",
  ],
  [
    /Unable to create '[^']*\.lock': File exists/,
    "REPOSITORY_IN_USE",
    "another git process holds a lock in this repository: try again when it has ended",
  ],
];

export const usesSha256 =
  "the remote's objects are named by SHA-256, which Factory doesn't support: use a SHA-1 repository";

/** Of the other side, in the words of git, curl, OpenSSH and the usual hosts. The first that fits counts. */
const remoteRules: readonly Rule[] = [
  [
    /Authentication failed|could not read (?:Username|Password)|terminal prompts disabled|Permission denied \((?:publickey|password|keyboard)|returned error: 40[13]|Host key verification failed|access denied|not authori[sz]ed/i,
    "REMOTE_AUTH_FAILED",
    "the remote wants credentials, or refused those it got: give them in the url, or set up ssh keys",
  ],
  [
    /mismatched algorithms|unknown object format|unsupported (?:object format|hash)|does not support this repository's hash algorithm/,
    "NOT_SUPPORTED",
    usesSha256,
  ],
  [
    /detected dubious ownership|unsafe repository \(/,
    "REMOTE_AUTH_FAILED",
    "the remote's folder belongs to another user than the server's: give it to that user, or clone it over ssh or https",
  ],
  [
    /transport '[^']*' not allowed/,
    "BAD_INPUT",
    "the remote uses a transport that FACTORY_GIT_PROTOCOLS doesn't allow",
  ],
  [
    /repository '[^']*' not found|returned error: (?:404|410)|does not appear to be a git repository|(?:repository|project)[^\n]*(?:not found|could not be found|does not exist)|not a git repository/i,
    "REMOTE_NOT_FOUND",
    "the remote has no such repository, or shows it only to those who may see it: check the url",
  ],
];

/** An expected failure for what git said, or undefined where it said nothing that is known. */
export function explainHost(failure: GitFailure): FactoryError | undefined {
  return explain(failure, hostRules, ownWords(failure));
}

/** Without what the remote said: a full disk there is not one here. */
function ownWords({ words }: GitFailure): string {
  return words.replaceAll(/^remote:.*$/gm, "");
}

/** What went wrong with a remote; whatever is not known counts as not reachable. */
export function explainRemote(failure: GitFailure): FactoryError {
  return (
    explainHost(failure) ??
    explain(failure, remoteRules) ??
    quoteFailure(failure, "REMOTE_UNREACHABLE", "the remote could not be reached")
  );
}

/** Of files that git doesn't write: a path with .git in it, a name that is too long for the file system. */
export function explainCheckout(failure: GitFailure): FactoryError {
  return quoteFailure(failure, "HOST_FAILURE", "the branch's files can't be checked out here");
}

/** Of files that a worker left in such a state that git can't read them. */
export async function explainRead<T>(branch: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof GitFailure)) throw error;
    const remedy = `git can't read the worktree of ${branch}: repair it there, or delete it with force`;
    throw quoteFailure(error, "HOST_FAILURE", remedy);
  }
}

function explain(
  failure: GitFailure,
  rules: readonly Rule[],
  said = failure.words,
): FactoryError | undefined {
  for (const [words, code, remedy] of rules) {
    if (words.test(said)) return quoteFailure(failure, code, remedy);
  }
  return undefined;
}

/** An expected failure: what to do about it, and git's own last words. */
export function quoteFailure(failure: GitFailure, code: ErrorCode, remedy: string): FactoryError {
  return new FactoryError(code, `${remedy} (git said: ${shorten(failure.words)})`, {
    cause: failure,
  });
}

/** What git says behind a lock file's name, by its version in one line or in five. */
const lockAdvice =
  /^Another git process seems to be running.*(?:\nan editor opened[^]*?manually to continue\.)?$/m;

/** What git says behind the cause, of any: that it goes no further. */
const consequence =
  /^(?:fatal: Could not read from remote repository\.|Please make sure you have the correct access rights|and the repository exists\.|(?:fatal|error): (?:the remote end hung up|early EOF|index-pack failed|fetch-pack: invalid index-pack output|unpack-objects failed|unexpected disconnect|protocol error: bad pack header|expected (?:flush|'acknowledgments'|packfile)|failed to push some refs|write error|RPC failed; result=)|send-pack: unexpected disconnect|fetch-pack: unexpected disconnect)/;
/** Its lines but for progress and where from: "From https://…", "Cloning into …", "To …". */
const noReason =
  /^(?:hint:|(?:(?:From|To) \S+$|Cloning into |POST |\* |\[new )|\S.*:\s+\d+% |remote: (?:Enumerating|Counting|Compressing|Total)\b)/;
const longestWords = 1_000;
const mostLines = 6;

/** The lines that hold the cause, from its first on; where there are none, the last lines. */
function shorten(words: string): string {
  const lines = words
    .replace(lockAdvice, "")
    // eslint-disable-next-line no-control-regex -- finding control characters is the purpose
    .replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g, "")
    .split(/[\r\n]+/)
    .map((line) => line.trim())
    .filter((line) => line !== "" && !noReason.test(line));
  const causes = lines.filter((line) => !consequence.test(line));
  const text = (causes.length > 0 ? causes : lines).slice(-mostLines).join("; ");
  if (text === "") return "nothing";
  return text.length <= longestWords ? text : `${text.slice(0, longestWords - 1).toWellFormed()}…`;
}
