// Kubernetes' own JSON schemas, and KEDA's, as packages carry them.
import { describe, type Manifest } from "./manifests.ts";

/** The module of a kind: it exports the kind's type as I…, and a class that validates by its schema. */
export function moduleOf({ apiVersion, kind }: Manifest): string {
  const home = apiVersion.startsWith("keda.sh/") ? "@kubernetes-models/keda" : "kubernetes-models";
  return `${home}/${apiVersion}/${kind}`;
}

type Model = new (content: Manifest["content"]) => { validate(): void };

export async function listSchemaMistakes(manifest: Manifest): Promise<string[]> {
  const Model = await findModel(manifest);
  if (Model === undefined) {
    const { apiVersion, kind } = manifest;
    return [`${describe(manifest)}: there is no schema of ${apiVersion} ${kind}`];
  }
  try {
    new Model(manifest.content).validate();
    return [];
  } catch (error) {
    return [`${describe(manifest)}: ${error instanceof Error ? error.message : String(error)}`];
  }
}

async function findModel(manifest: Manifest): Promise<Model | undefined> {
  try {
    // What every module of these packages exports under its kind's name.
    const models = (await import(moduleOf(manifest))) as Readonly<Record<string, Model>>;
    return models[manifest.kind];
  } catch (error) {
    // Node.js's own codes and jest's, whose errors are of another realm.
    const isObject = typeof error === "object" && error !== null;
    const code = isObject && "code" in error ? String(error.code) : "";
    if (/MODULE_NOT_FOUND|PACKAGE_PATH_NOT_EXPORTED/.test(code)) return undefined;
    throw error;
  }
}
