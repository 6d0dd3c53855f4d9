// compose.yaml, and what is put over it, by the Compose specification's schema and by what they say of the image.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { DCLinter } from "dclint";
import { DockerfileParser } from "dockerfile-ast";
import { parse } from "yaml";
import { z } from "zod";

/** Rules of form, and one that forbids to name an image that is built. */
const unwanted = [
  "no-build-and-image",
  "require-quotes-in-ports",
  "service-container-name-regex",
  "service-dependencies-alphabetical-order",
  "service-keys-order",
  "service-ports-alphabetical-order",
  "services-alphabetical-order",
  "top-level-properties-order",
];

const anyService = z.looseObject({ volumes: z.array(z.string()).default([]) });
const composeFile = z.object({
  volumes: z.record(z.string(), z.unknown()),
  services: z.looseObject({
    factory: anyService.extend({
      build: z.object({ context: z.string(), dockerfile: z.string() }),
      ports: z.array(z.string()),
      healthcheck: z.object({ test: z.array(z.string()) }),
    }),
    postgres: anyService,
  }),
});

/** A file that is put over compose.yaml; the service and what it adds must be those that are known here. */
const overrideFile = z.strictObject({
  name: z.string(),
  services: z.strictObject({
    factory: z.strictObject({
      environment: z.strictObject({ FACTORY_SANDBOX: z.enum(["auto", "required"]) }),
      security_opt: z.array(z.string()),
    }),
  }),
});
/** Without any one of them Docker refuses bubblewrap its namespaces, its mounts or its /proc. */
const sandboxOptions = ["seccomp=unconfined", "apparmor=unconfined", "systempaths=unconfined"];

/** All mistakes, a line each. */
export async function listComposeMistakes(file: string): Promise<string[]> {
  const mistakes = lint(file);
  const told = mistakes.length > 0 ? mistakes : await listImageReferences(file);
  return told.map((mistake) => `compose.yaml: ${mistake}`);
}

/** All mistakes of a file that gives the workers of compose.yaml their sandbox, a line each. */
export async function listOverrideMistakes(file: string): Promise<string[]> {
  const mistakes = lint(file);
  const told = mistakes.length > 0 ? mistakes : await listMissingOptions(file);
  return told.map((mistake) => `${basename(file)}: ${mistake}`);
}

async function listMissingOptions(file: string): Promise<string[]> {
  const parsed = overrideFile.safeParse(parse(await readFile(file, "utf8")));
  if (!parsed.success) return [z.prettifyError(parsed.error)];
  const { security_opt: options } = parsed.data.services.factory;
  return sandboxOptions
    .filter((option) => !options.includes(option))
    .map((option) => `without ${option} no sandbox works in the container`);
}

function lint(file: string): string[] {
  const linter = new DCLinter({
    rules: Object.fromEntries(unwanted.map((rule) => [rule, 0])),
    quiet: true,
    debug: false,
    exclude: [],
  });
  return linter
    .lintFiles([file], false)
    .flatMap(({ messages }) => messages)
    .map(({ line, message }) => `line ${String(line)}: ${message}`);
}

async function listImageReferences(file: string): Promise<string[]> {
  const parsed = composeFile.safeParse(parse(await readFile(file, "utf8")));
  if (!parsed.success) return [z.prettifyError(parsed.error)];
  const { services, volumes: known } = parsed.data;
  const { build, ports, volumes, healthcheck } = services.factory;
  const dockerfile = join(dirname(file), build.context, build.dockerfile);
  if (!existsSync(dockerfile)) return [`there is no ${build.dockerfile} in ${build.context}`];
  const image = DockerfileParser.parse(await readFile(dockerfile, "utf8"));
  const argumentOf = (keyword: string) =>
    image
      .getInstructions()
      .findLast((instruction) => instruction.getKeyword() === keyword)
      ?.getArgumentsContent() ?? "";
  const port = argumentOf("EXPOSE");
  const home = argumentOf("WORKDIR");
  const used = [services.factory, services.postgres].flatMap((service) => service.volumes);
  return [
    ...used
      .map((volume) => volume.split(":")[0] ?? "")
      .filter((name) => !(name in known))
      .map((name) => `there is no volume ${name}`),
    ...(ports.every((each) => each.endsWith(`:${port}`)) ? [] : [`the image's port is ${port}`]),
    ...(healthcheck.test.some((word) => word.includes(`:${port}/`))
      ? []
      : [`its health is not asked for at the image's port, ${port}`]),
    ...(volumes.some((volume) => volume.endsWith(`:${home}`))
      ? []
      : [`no volume keeps ${home}, where the image has FACTORY_HOME`]),
  ];
}
