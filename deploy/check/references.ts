// What the manifests say of each other.
import { z } from "zod";
import { describe, type Manifest } from "./manifests.ts";

export const kustomizationFile = "kustomization.yaml";
const isExample = (file: string) => file.endsWith(".example.yaml");

const kustomization = z.strictObject({
  apiVersion: z.literal("kustomize.config.k8s.io/v1beta1"),
  kind: z.literal("Kustomization"),
  namespace: z.string(),
  labels: z.array(
    z.strictObject({
      pairs: z.record(z.string(), z.string()),
      includeSelectors: z.boolean(),
      includeTemplates: z.boolean(),
    }),
  ),
  images: z.array(z.strictObject({ name: z.string(), newName: z.string(), newTag: z.string() })),
  resources: z.array(z.string()),
  components: z.array(z.string()).optional(),
});

const labels = z.record(z.string(), z.string());
const workload = z.object({
  spec: z.object({
    serviceName: z.string().optional(),
    selector: z.object({ matchLabels: labels }),
    template: z.object({ metadata: z.object({ labels }), spec: z.unknown() }),
  }),
});
const serviceSelector = z.object({ spec: z.object({ selector: labels }) });
const budgetSelector = z.object({
  spec: z.object({ selector: z.object({ matchLabels: labels }) }),
});
const podSelector = z.object({
  spec: z.object({ podSelector: z.object({ matchLabels: labels }) }),
});
const scaledObject = z.object({
  spec: z.object({ scaleTargetRef: z.object({ kind: z.string(), name: z.string() }) }),
});

type Labels = z.infer<typeof labels>;

export function listReferenceMistakes(
  files: readonly string[],
  manifests: readonly Manifest[],
): string[] {
  const applied = files.filter((file) => file !== kustomizationFile && !isExample(file));
  return [
    ...listKustomizationMistakes(applied, manifests),
    ...manifests.flatMap((manifest) =>
      listWrong(manifest, manifests).map((mistake) => `${describe(manifest)}: ${mistake}`),
    ),
    ...listUnknownSecrets(manifests),
  ];
}

function listKustomizationMistakes(
  applied: readonly string[],
  manifests: readonly Manifest[],
): string[] {
  const own = manifests.find(({ file }) => file === kustomizationFile);
  const parsed = kustomization.safeParse(own?.content);
  if (!parsed.success) return [`${kustomizationFile}: ${z.prettifyError(parsed.error)}`];
  const { resources } = parsed.data;
  return [
    ...applied
      .filter((file) => !resources.includes(file))
      .map((file) => `${kustomizationFile}: ${file} is not among the resources`),
    ...resources
      .filter((file) => !applied.includes(file))
      .map((file) => `${kustomizationFile}: there is no ${file}`),
  ];
}

function listWrong(manifest: Manifest, all: readonly Manifest[]): string[] {
  const has = (kind: string, name: string) =>
    all.some((each) => each.kind === kind && each.name === name);
  switch (manifest.kind) {
    case "Deployment":
    case "StatefulSet": {
      const { spec } = workload.parse(manifest.content);
      const { serviceName, selector, template } = spec;
      return [
        ...(matches(selector.matchLabels, template.metadata.labels)
          ? []
          : ["its selector doesn't match its own pods"]),
        ...listUnlimited(template.spec),
        ...listExposed(template.spec),
        ...(isPoliced(template.metadata.labels, all)
          ? []
          : ["no NetworkPolicy says who may reach its pods"]),
        ...(serviceName === undefined || has("Service", serviceName)
          ? []
          : [`there is no Service ${serviceName}`]),
      ];
    }
    case "Service":
      return wrongSelector(serviceSelector.parse(manifest.content).spec.selector, all);
    case "NetworkPolicy":
      return wrongSelector(podSelector.parse(manifest.content).spec.podSelector.matchLabels, all);
    case "PodDisruptionBudget":
      return wrongSelector(budgetSelector.parse(manifest.content).spec.selector.matchLabels, all);
    case "ScaledObject": {
      const { kind, name } = scaledObject.parse(manifest.content).spec.scaleTargetRef;
      return has(kind, name) ? [] : [`there is no ${kind} ${name}`];
    }
    default:
      return [];
  }
}

const podVolumes = z.object({
  volumes: z
    .array(
      z.object({
        name: z.string(),
        emptyDir: z.object({ sizeLimit: z.unknown().optional() }).optional(),
      }),
    )
    .default([]),
});

/** A folder without a limit may fill the node's disk. */
function listUnlimited(spec: unknown): string[] {
  return podVolumes
    .parse(spec)
    .volumes.filter(({ emptyDir }) => emptyDir !== undefined && emptyDir.sizeLimit === undefined)
    .map(({ name }) => `the volume ${name} has no sizeLimit`);
}

const podSecrets = z.object({
  containers: z.array(
    z.object({
      env: z.array(z.object({ name: z.string(), value: z.string().optional() })).default([]),
      envFrom: z
        .array(z.object({ secretRef: z.object({ name: z.string() }).optional() }))
        .default([]),
      volumeMounts: z.array(z.object({ name: z.string(), mountPath: z.string() })).default([]),
    }),
  ),
  volumes: z
    .array(z.object({ name: z.string(), secret: z.object({ secretName: z.string() }).optional() }))
    .default([]),
});
/** The Secret of the servers themselves, and what they take from it. */
const ownSecret = "factory";
const ownSettings = ["DATABASE_URL", "FACTORY_TOKEN"];

/** A server's own secrets are files: its environment is that of all that its container starts. */
function listExposed(spec: unknown): string[] {
  const { containers, volumes } = podSecrets.parse(spec);
  const volume = volumes.find(({ secret }) => secret?.secretName === ownSecret)?.name;
  return containers.flatMap(({ env, envFrom, volumeMounts }) => {
    const folder = volumeMounts.find(({ name }) => name === volume)?.mountPath;
    return [
      ...(folder === undefined ? [`the Secret ${ownSecret} is not mounted as files`] : []),
      ...(envFrom.some(({ secretRef }) => secretRef?.name === ownSecret)
        ? [`the Secret ${ownSecret} stands in the environment`]
        : []),
      ...ownSettings.flatMap((setting) => [
        ...(env.some(({ name }) => name === setting)
          ? [`${setting} stands in the environment`]
          : []),
        ...(env.some(
          ({ name, value }) => name === `${setting}_FILE` && value === `${folder ?? ""}/${setting}`,
        )
          ? []
          : [`${setting}_FILE doesn't name the file of the Secret`]),
      ]),
    ];
  });
}

function isPoliced(own: Labels, all: readonly Manifest[]): boolean {
  return all
    .filter(({ kind }) => kind === "NetworkPolicy")
    .map(({ content }) => podSelector.parse(content).spec.podSelector.matchLabels)
    .some((selector) => matches(selector, own));
}

function wrongSelector(selector: Labels, all: readonly Manifest[]): string[] {
  const targets = all
    .filter(({ kind }) => kind === "Deployment" || kind === "StatefulSet")
    .map(({ content }) => workload.parse(content).spec.template.metadata.labels)
    .filter((own) => matches(selector, own));
  return targets.length === 1
    ? []
    : [`its selector matches the pods of ${String(targets.length)} workloads, not of one`];
}

function matches(selector: Labels, own: Labels): boolean {
  return Object.entries(selector).every(([name, value]) => own[name] === value);
}

/** Wherever a manifest names a secret, the example must show what to fill in. */
function listUnknownSecrets(manifests: readonly Manifest[]): string[] {
  const secrets = manifests.filter(({ kind }) => kind === "Secret").map(({ name }) => name);
  return manifests.flatMap((manifest) =>
    namesOfSecrets(manifest.content)
      .filter((name) => !secrets.includes(name))
      .map((name) => `${describe(manifest)}: no example shows the Secret ${name}`),
  );
}

const references = ["secretRef", "secretKeyRef", "secretTargetRef", "secret"];
const reference = z.union([
  z.object({ name: z.string() }),
  z.object({ secretName: z.string() }).transform(({ secretName }) => ({ name: secretName })),
]);

function namesOfSecrets(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]) => {
    if (!references.includes(key)) return namesOfSecrets(inner);
    const found = z.union([reference, z.array(reference)]).parse(inner);
    return [found].flat().map(({ name }) => name);
  });
}
