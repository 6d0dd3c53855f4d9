import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { listComposeMistakes, listOverrideMistakes } from "../../../deploy/check/compose.ts";
import { listImageMistakes } from "../../../deploy/check/image.ts";

const root = join(import.meta.dirname, "..", "..", "..");
const names = [
  "Dockerfile",
  "Dockerfile.dockerignore",
  "compose.sandbox.yaml",
  "compose.yaml",
] as const;
type Name = (typeof names)[number];
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "factory-container-"));
  for (const name of names) cpSync(join(root, "deploy", name), join(folder, "deploy", name));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

function change(name: Name, from: string, to: string): void {
  const path = join(folder, "deploy", name);
  const text = readFileSync(path, "utf8");
  if (!text.includes(from)) throw new Error(`${name} has no ${from}`);
  writeFileSync(path, text.replace(from, to));
}

describe("the image's check", () => {
  const check = () => listImageMistakes(root, join(folder, "deploy", "Dockerfile"));

  test("finds nothing wrong with the one that there is", async () => {
    expect(await check()).toEqual([]);
  });

  test.each<[what: string, name: Name, from: string, to: string, told: RegExp]>([
    ["a word that is none", "Dockerfile", "RUN npm ci", "RUNN npm ci", /line \d+: .*RUNN/],
    ["a file that isn't there", "Dockerfile", "COPY bin bin", "COPY binn bin", /no binn/],
    ["a file that is kept from it", "Dockerfile.dockerignore", "!bin\n", "", /bin is kept from/],
    ["a part of the package that is left out", "Dockerfile", "/build/dist", "/build/x", /dist of/],
    ["a stage that isn't there", "Dockerfile", "AS build", "AS make", /no stage build/],
    ["root", "Dockerfile", "USER 1000:1000", "USER root", /its user/],
    ["a missing sandbox", "Dockerfile", "    bubblewrap ", "    ", /bubblewrap is not installed/],
    ["a missing git", "Dockerfile", " git openssh", " openssh", /git is not installed/],
  ])("tells of %s", async (_what, name, from, to, told) => {
    change(name, from, to);
    expect(await check()).toContainEqual(expect.stringMatching(told));
  });
});

describe("the check of compose.yaml", () => {
  const check = () => listComposeMistakes(join(folder, "deploy", "compose.yaml"));

  test("finds nothing wrong with the one that there is", async () => {
    expect(await check()).toEqual([]);
  });

  test.each<[what: string, from: string, to: string, told: RegExp]>([
    ["a misspelt field", "restart:", "restarts:", /restarts|additional/],
    ["a value that is none", "condition: service_healthy", "condition: healthy", /depends_on/],
    ["a port that anybody may reach", "127.0.0.1:4000:4000", "4000:4000", /exporting port/],
    ["a volume that isn't there", "  home:\n", "", /volume/],
    ["another port than the image's", "127.0.0.1:4000:4000", "127.0.0.1:80:80", /port is 4000/],
    ["a home that is not kept", "home:/var/lib/factory", "home:/data", /no volume keeps/],
    ["a Dockerfile that isn't there", "deploy/Dockerfile", "Dockerfile", /no Dockerfile/],
  ])("tells of %s", async (_what, from, to, told) => {
    change("compose.yaml", from, to);
    expect(await check()).toContainEqual(expect.stringMatching(told));
  });
});

describe("the check of compose.sandbox.yaml", () => {
  const check = () => listOverrideMistakes(join(folder, "deploy", "compose.sandbox.yaml"));

  test("finds nothing wrong with the one that there is", async () => {
    expect(await check()).toEqual([]);
  });

  test.each<[what: string, from: string, to: string, told: RegExp]>([
    ["a misspelt field", "security_opt:", "security_opts:", /security_opts|additional/],
    [
      "a value that is none",
      "FACTORY_SANDBOX: required",
      "FACTORY_SANDBOX: yes",
      /SANDBOX|boolean/,
    ],
    ["an option that is left out", "      - systempaths=unconfined\n", "", /without systempaths=/],
    ["a service that isn't there", "  factory:\n", "  server:\n", /factory/],
  ])("tells of %s", async (_what, from, to, told) => {
    change("compose.sandbox.yaml", from, to);
    expect(await check()).toContainEqual(expect.stringMatching(told));
  });
});
