// compose.yaml by the Compose specification's schema and by what it says of the image.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
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

/** All mistakes, a line each. */
export async function listComposeMistakes(file: string): Promise<string[]> {
  const linter = new DCLinter({
    rules: Object.fromEntries(unwanted.map((rule) => [rule, 0])),
    quiet: true,
    debug: false,
    exclude: [],
  });
  const mistakes = linter
    .lintFiles([file], false)
    .flatMap(({ messages }) => messages)
    .map(({ line, message }) => `line ${String(line)}: ${message}`);
  const told = mistakes.length > 0 ? mistakes : await listImageReferences(file);
  return told.map((mistake) => `compose.yaml: ${mistake}`);
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
