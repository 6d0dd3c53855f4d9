import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { z } from "zod";

export interface Manifest {
  readonly file: string;
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly content: Readonly<Record<string, unknown>>;
}

const head = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string() }).optional(),
});

export function describe({ file, kind, name }: Manifest): string {
  return `${file}, ${kind} ${name}`;
}

export async function readManifests(
  folder: string,
  file: string,
): Promise<{ manifests: Manifest[]; mistakes: string[] }> {
  const manifests: Manifest[] = [];
  const mistakes: string[] = [];
  for (const document of parseAllDocuments(await readFile(join(folder, file), "utf8"))) {
    if (document.errors.length > 0) {
      mistakes.push(...document.errors.map(({ message }) => `${file}: ${message}`));
      continue;
    }
    const parsed = head.safeParse(document.toJS());
    if (parsed.success) {
      const { apiVersion, kind, metadata } = parsed.data;
      const name = metadata?.name ?? "";
      manifests.push({ file, apiVersion, kind, name, content: parsed.data });
    } else {
      mistakes.push(`${file}: ${z.prettifyError(parsed.error)}`);
    }
  }
  return { manifests, mistakes };
}
