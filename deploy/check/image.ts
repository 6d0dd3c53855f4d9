// The Dockerfile, as far as it can be checked without building it: its own rules, and what it says of the checkout
// and of the package.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { DockerfileParser, type Copy, type Dockerfile } from "dockerfile-ast";
import { validate } from "dockerfile-utils";
import { z } from "zod";

const packageFile = z.object({ files: z.array(z.string()) });
/** In the package, but not in the image: for people. */
const forPeople = ["CHANGELOG.md", "docs/*.md"];
/** What the server and the sandbox of its workers call. */
const packages = ["bubblewrap", "git", "openssh-client", "perl-base", "util-linux"];

/** All mistakes, a line each. `root` is the context that it is built in. */
export async function listImageMistakes(root: string, file: string): Promise<string[]> {
  const text = await readFile(file, "utf8");
  const { files } = packageFile.parse(
    JSON.parse(await readFile(join(root, "package.json"), "utf8")),
  );
  const ignored = await readFile(`${file}.dockerignore`, "utf8");
  const parsed = DockerfileParser.parse(text);
  const mistakes = [
    ...validate(text).map(
      ({ message, range }) =>
        `line ${String(range.start.line + 1)}: ${typeof message === "string" ? message : message.value}`,
    ),
    ...listContextMistakes(root, ignored, parsed),
    ...listMissingFiles(files, parsed),
    ...listMissingPackages(parsed),
    ...listStageMistakes(parsed),
  ];
  return mistakes.map((mistake) => `Dockerfile: ${mistake}`);
}

/** What it copies must be in the checkout, and not be kept from it. */
function listContextMistakes(root: string, ignored: string, parsed: Dockerfile): string[] {
  const allowed = ignored
    .split("\n")
    .filter((line) => line.startsWith("!"))
    .map((line) => line.slice(1));
  const isAllowed = (source: string) =>
    allowed.some((name) => source === name || source.startsWith(`${name}/`));
  return parsed
    .getCOPYs()
    .filter((copy) => stageOf(copy) === undefined)
    .flatMap(sourcesOf)
    .flatMap((source) => {
      if (!existsSync(join(root, source))) return [`there is no ${source} to be copied`];
      return isAllowed(source) ? [] : [`${source} is kept from it by Dockerfile.dockerignore`];
    });
}

/** What the package holds is what the server needs. */
function listMissingFiles(files: readonly string[], parsed: Dockerfile): string[] {
  const copied = parsed
    .getCOPYs()
    .filter((copy) => stageOf(copy) !== undefined)
    .flatMap(sourcesOf);
  return ["package.json", "node_modules", ...files]
    .filter((name) => !forPeople.includes(name) && !copied.includes(`/build/${name}`))
    .map((name) => `${name} of the package is not in the image`);
}

/** In the last stage, which is the image. */
function listMissingPackages(parsed: Dockerfile): string[] {
  const instructions = parsed.getInstructions();
  const start = instructions.findLastIndex((each) => each.getKeyword() === "FROM");
  const words = instructions
    .slice(start + 1)
    .filter((each) => each.getKeyword() === "RUN")
    .flatMap((each) => (each.getArgumentsContent() ?? "").split(/\s+/));
  return packages
    .filter((name) => !words.includes(name))
    .map((name) => `${name} is not installed in the image`);
}

function listStageMistakes(parsed: Dockerfile): string[] {
  const stages = parsed.getFROMs().map((from) => from.getBuildStage());
  const unknown = parsed
    .getCOPYs()
    .map(stageOf)
    .filter((stage) => stage !== undefined && !stages.includes(stage));
  const user = parsed
    .getInstructions()
    .findLast((instruction) => instruction.getKeyword() === "USER");
  return [
    ...new Set(unknown.map((stage) => `there is no stage ${String(stage)}`)),
    ...(/^[1-9]\d*(:\d+)?$/.test(user?.getArgumentsContent() ?? "")
      ? []
      : ["its user must be a number other than 0"]),
  ];
}

function stageOf(copy: Copy): string | undefined {
  return copy.getFromFlag()?.getValue() ?? undefined;
}

/** All arguments but the last. */
function sourcesOf(copy: Copy): string[] {
  return copy
    .getArguments()
    .map((argument) => argument.getValue())
    .slice(0, -1);
}
