// A schema of Kubernetes allows fields that it doesn't know, so that a misspelt one would pass unseen. The
// compiler doesn't: each manifest is a literal of its kind's type.
import { join } from "node:path";
import ts from "typescript";
import { describe, type Manifest } from "./manifests.ts";
import { moduleOf } from "./schemas.ts";

const options: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2024,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  strict: true,
  noEmit: true,
  skipLibCheck: true,
  types: [],
};

export function findUnknownFields(manifests: readonly Manifest[]): string[] {
  // In memory alone, but in a folder from which the packages are found.
  const sources = new Map(
    manifests.map((manifest, index) => [
      join(import.meta.dirname, `manifest-${String(index)}.mts`),
      { manifest, text: sourceOf(manifest) },
    ]),
  );
  const host = ts.createCompilerHost(options);
  const program = ts.createProgram([...sources.keys()], options, {
    ...host,
    fileExists: (file) => sources.has(file) || host.fileExists(file),
    readFile: (file) => sources.get(file)?.text ?? host.readFile(file),
    getSourceFile(file, version, ...rest) {
      const source = sources.get(file);
      if (source === undefined) return host.getSourceFile(file, version, ...rest);
      return ts.createSourceFile(file, source.text, version);
    },
  });
  return [...sources].flatMap(([file, { manifest }]) =>
    ts
      .getPreEmitDiagnostics(program, program.getSourceFile(file))
      .map(
        ({ messageText }) =>
          `${describe(manifest)}: ${ts.flattenDiagnosticMessageText(messageText, "; ")}`,
      ),
  );
}

function sourceOf(manifest: Manifest): string {
  const { kind, content } = manifest;
  return `import type { I${kind} } from ${JSON.stringify(moduleOf(manifest))};
export const manifest: I${kind} = ${JSON.stringify(content)};`;
}
