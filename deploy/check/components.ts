// Components of kustomize's: folders of patches that kustomization.yaml may name.
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { readManifests, type Manifest } from "./manifests.ts";
import { kustomizationFile } from "./references.ts";

const component = z.strictObject({
  apiVersion: z.literal("kustomize.config.k8s.io/v1alpha1"),
  kind: z.literal("Component"),
  patches: z.array(z.strictObject({ path: z.string() })),
});

/** The manifests as each component of the folder leaves them, and what is wrong with these. */
export async function applyComponents(
  folder: string,
  manifests: readonly Manifest[],
): Promise<{ manifests: Manifest[]; mistakes: string[] }> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries
    .filter(
      (entry) => entry.isDirectory() && existsSync(join(folder, entry.name, kustomizationFile)),
    )
    .map((entry) => entry.name)
    .sort();
  const applied = await Promise.all(names.map((name) => applyComponent(folder, name, manifests)));
  return {
    manifests: applied.flatMap((each) => each.manifests),
    mistakes: applied.flatMap((each) => each.mistakes),
  };
}

async function applyComponent(
  folder: string,
  name: string,
  manifests: readonly Manifest[],
): Promise<{ manifests: Manifest[]; mistakes: string[] }> {
  const own = join(name, kustomizationFile);
  const parsed = component.safeParse(parse(await readFile(join(folder, own), "utf8")));
  if (!parsed.success) {
    return { manifests: [], mistakes: [`${own}: ${z.prettifyError(parsed.error)}`] };
  }
  const paths = parsed.data.patches.map(({ path }) => path);
  const missing = paths.filter((path) => !existsSync(join(folder, name, path)));
  if (missing.length > 0) {
    return { manifests: [], mistakes: missing.map((path) => `${own}: there is no ${path}`) };
  }
  const read = await Promise.all(paths.map((path) => readManifests(folder, join(name, path))));
  const patched = read
    .flatMap((each) => each.manifests)
    .map((patch) => ({
      patch,
      base: manifests.find((each) => each.kind === patch.kind && each.name === patch.name),
    }));
  return {
    manifests: patched.flatMap(({ patch, base }) =>
      base === undefined ? [] : [{ ...patch, content: mergeObjects(base.content, patch.content) }],
    ),
    mistakes: [
      ...read.flatMap((each) => each.mistakes),
      ...patched
        .filter(({ base }) => base === undefined)
        .map(({ patch }) => `${patch.file}: there is no ${patch.kind} ${patch.name} to be patched`),
    ],
  };
}

type Fields = Readonly<Record<string, unknown>>;

/** As a strategic merge: lists of things with names are merged by these, other lists are replaced. */
function merge(base: unknown, patch: unknown): unknown {
  if (isFields(base) && isFields(patch)) return mergeObjects(base, patch);
  if (!areNamed(base) || !areNamed(patch)) return patch;
  return [
    ...base.map((each) => merge(each, patch.find(({ name }) => name === each.name) ?? {})),
    ...patch.filter((each) => !base.some(({ name }) => name === each.name)),
  ];
}

function mergeObjects(base: Fields, patch: Fields): Fields {
  const merged = Object.entries(patch).map(([key, value]) => [key, merge(base[key], value)]);
  return { ...base, ...(Object.fromEntries(merged) as Fields) };
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function areNamed(value: unknown): value is readonly (Fields & { readonly name: unknown })[] {
  return Array.isArray(value) && value.every((each) => isFields(each) && "name" in each);
}
