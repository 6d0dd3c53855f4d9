// What owners, repositories, branches and bases may be called. Checked before anything is made.
import { FactoryError } from "../errors.ts";

/** Longest owner or repository name, in characters. */
const longestSegment = 100;
/**
 * Longest ref name, in bytes. A branch is a file below refs/ and, while it is written, that file's name with
 * `.lock` behind it; file systems end at 255 bytes (NAME_MAX).
 */
export const maxRefBytes = 244;

/** @throws FactoryError BAD_INPUT */
export function checkOwner(owner: string): void {
  checkSegment("owner", owner);
}

/** @throws FactoryError BAD_INPUT */
export function checkRepositoryName(name: string): void {
  checkSegment("name", name);
}

/** A branch's short name, such as feat/login. @throws FactoryError BAD_INPUT */
export function checkBranch(branch: string): void {
  const fault = findRefFault(branch) ?? findBranchFault(branch);
  if (fault !== undefined)
    refuse("branch", branch, `${fault}; it may be a name such as feat/login`);
}

/** A branch, a tag, a full ref below refs/ or a commit id of 7 or more digits. @throws FactoryError BAD_INPUT */
export function checkBase(base: string): void {
  const fault = findRefFault(base);
  if (fault === undefined) return;
  refuse("base", base, `${fault}; it may be a branch, a tag or a commit id of 7 or more digits`);
}

export interface BranchConflict {
  readonly existing: string;
  /** folder: one name is a folder of the other's, as feat of feat/x. case: they differ in case alone. */
  readonly kind: "folder" | "case";
}

/** An equal name is no conflict. */
export function findBranchConflict(
  branch: string,
  existing: Iterable<string>,
): BranchConflict | undefined {
  const folded = fold(branch);
  for (const other of existing) {
    if (other === branch) continue;
    const otherFolded = fold(other);
    if (otherFolded === folded) return { existing: other, kind: "case" };
    if (isFolderOf(otherFolded, folded) || isFolderOf(folded, otherFolded)) {
      return { existing: other, kind: "folder" };
    }
    // Feat/x beside feat/y: on a file system that folds case both would be in one folder.
    if (sharesFolderButForCase(branch, other)) return { existing: other, kind: "case" };
  }
  return undefined;
}

/** File systems that ignore case (APFS, NTFS) ignore how an accent is encoded too. */
function fold(name: string): string {
  return name.normalize("NFC").toLowerCase();
}

function isFolderOf(folder: string, name: string): boolean {
  return name.startsWith(`${folder}/`);
}

function sharesFolderButForCase(one: string, other: string): boolean {
  const [these, those] = [one.split("/"), other.split("/")];
  const folders = Math.min(these.length, those.length) - 1;
  for (let index = 0; index < folders; index += 1) {
    const [a = "", b = ""] = [these[index], those[index]];
    if (a === b) continue;
    return fold(a) === fold(b);
  }
  return false;
}

function checkSegment(field: string, text: string): void {
  const fault = findSegmentFault(text);
  if (fault === undefined) return;
  refuse(field, text, `${fault}; it may be 1 to 100 of A-Z a-z 0-9 . _ -`);
}

function findSegmentFault(text: string): string | undefined {
  if (text === "") return "is empty";
  if (text.length > longestSegment) return `has ${text.length} characters, 100 are the most`;
  if (text.includes("/")) {
    return "holds a slash: owner and name are one segment each (nested groups aren't supported)";
  }
  if (text === "." || text === "..") return "is a folder reference";
  if (text.startsWith("-")) return "begins with a hyphen";
  if (/\.(?:git|lock)$/i.test(text)) return "ends in .git or .lock";
  if (!/^[\w.-]+$/.test(text)) return "holds a character that it may not";
  return undefined;
}

/** The rules of git-check-ref-format(1), told apart so that the message can name the one that was broken. */
function findRefFault(ref: string): string | undefined {
  if (ref === "") return "is empty";
  if (!ref.isWellFormed()) return "holds half of a surrogate pair";
  const bytes = Buffer.byteLength(ref);
  if (bytes > maxRefBytes) return `has ${bytes} bytes, ${maxRefBytes} are the most`;
  if (ref.startsWith("-")) return "begins with a hyphen";
  if (ref === "@" || ref === "HEAD") return `is ${ref}, which means another thing to git`;
  // eslint-disable-next-line no-control-regex -- finding control characters is the purpose
  if (/[\u0000-\u001f\u007f]/.test(ref)) return "holds a control character";
  const forbidden = /[ ~^:?*[\\]/.exec(ref);
  if (forbidden !== null) return `holds ${JSON.stringify(forbidden[0])}`;
  if (ref.includes("..")) return "holds two dots in a row";
  if (ref.includes("@{")) return "holds @{";
  if (ref.endsWith(".")) return "ends in a dot";
  const parts = ref.split("/");
  if (parts.includes("")) return "begins or ends with a slash, or holds two in a row";
  if (parts.some((part) => part.startsWith("."))) return "has a part that begins with a dot";
  if (parts.some((part) => part.endsWith(".lock"))) return "has a part that ends in .lock";
  return undefined;
}

/** Whether git takes it for a ref's name below refs/. */
export function isRefName(name: string): boolean {
  return findRefFault(name) === undefined;
}

/** What git would take for a branch, but hardly anybody means. */
function findBranchFault(branch: string): string | undefined {
  if (branch === "refs" || branch.startsWith("refs/")) return "begins with refs/: leave that out";
  return undefined;
}

function refuse(field: string, value: string, fault: string): never {
  const shown = value.length > 60 ? `${value.slice(0, 60)}…` : value;
  throw new FactoryError("BAD_INPUT", `${field} ${JSON.stringify(shown)} ${fault}`, {
    facts: { field },
  });
}
