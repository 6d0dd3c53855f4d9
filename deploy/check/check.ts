import { readdir } from "node:fs/promises";
import { findUnknownFields } from "./fields.ts";
import { readManifests } from "./manifests.ts";
import { kustomizationFile, listReferenceMistakes } from "./references.ts";
import { listSchemaMistakes } from "./schemas.ts";

/** All mistakes in the folder's manifests, a line each. */
export async function checkManifests(folder: string): Promise<string[]> {
  const files = (await readdir(folder)).filter((name) => name.endsWith(".yaml")).sort();
  const read = await Promise.all(files.map((file) => readManifests(folder, file)));
  const manifests = read.flatMap((each) => each.manifests);
  // No package carries a schema of kustomization.yaml: references.ts knows its form.
  const known = manifests.filter(({ file }) => file !== kustomizationFile);
  const mistakes = [
    ...read.flatMap((each) => each.mistakes),
    ...(await Promise.all(known.map(listSchemaMistakes))).flat(),
    ...findUnknownFields(known),
  ];
  // What a manifest says of others can be read from one of the right form alone.
  return mistakes.length > 0 ? mistakes : listReferenceMistakes(files, manifests);
}
