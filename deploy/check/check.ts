import { readdir } from "node:fs/promises";
import { applyComponents } from "./components.ts";
import { findUnknownFields } from "./fields.ts";
import { readManifests } from "./manifests.ts";
import { kustomizationFile, listReferenceMistakes } from "./references.ts";
import { listSandboxMistakes } from "./sandbox.ts";
import { listSchemaMistakes } from "./schemas.ts";

/** All mistakes in the folder's manifests, a line each. */
export async function checkManifests(folder: string): Promise<string[]> {
  const files = (await readdir(folder)).filter((name) => name.endsWith(".yaml")).sort();
  const read = await Promise.all(files.map((file) => readManifests(folder, file)));
  const manifests = read.flatMap((each) => each.manifests);
  // No package carries a schema of kustomization.yaml: references.ts knows its form.
  const plain = manifests.filter(({ file }) => file !== kustomizationFile);
  const components = await applyComponents(folder, plain);
  const known = [...plain, ...components.manifests];
  const mistakes = [
    ...read.flatMap((each) => each.mistakes),
    ...components.mistakes,
    ...(await Promise.all(known.map(listSchemaMistakes))).flat(),
    ...findUnknownFields(known),
    ...known.flatMap(listSandboxMistakes),
  ];
  // What a manifest says of others can be read from one of the right form alone.
  return mistakes.length > 0 ? mistakes : listReferenceMistakes(files, manifests);
}
