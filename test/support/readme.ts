// The parts of a Markdown file that a reader pastes.
import { readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..", "..");

export interface Snippet {
  readonly file: string;
  /** The heading that it stands under. */
  readonly heading: string;
  /** Such as sh. */
  readonly language: string;
  readonly text: string;
}

export function readSnippets(file: string): Snippet[] {
  const snippets: Snippet[] = [];
  let heading = "";
  let language: string | undefined;
  let lines: string[] = [];
  for (const line of readFileSync(join(root, file), "utf8").split("\n")) {
    const fence = /^\s*```(\w*)\s*$/.exec(line);
    if (language !== undefined && fence !== null) {
      snippets.push({ file, heading, language, text: lines.join("\n") });
      language = undefined;
    } else if (language !== undefined) lines.push(line);
    else if (fence !== null) {
      language = fence[1] ?? "";
      lines = [];
    } else heading = /^#+ (.*)$/.exec(line)?.[1] ?? heading;
  }
  return snippets;
}

/** What a shell's gql '…' is given, and GraphQL that stands by itself. */
export function documentsOf({ language, text }: Snippet): string[] {
  if (language === "graphql") return [text];
  if (language === "js")
    return [...text.matchAll(/`((?:query|mutation|subscription)[^`]*)`/g)].map(second);
  if (language !== "sh") return [];
  return [...text.matchAll(/(?:\bgql|--data-raw) '([^']*)'/g)].map(second);
}

function second(match: RegExpExecArray): string {
  return match[1] ?? "";
}
