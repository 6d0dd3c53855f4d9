// What a pod must be given where its workers must be locked in.
import { z } from "zod";
import { describe, type Manifest } from "./manifests.ts";

const profile = z.object({ type: z.string() }).optional();
const workload = z.object({
  spec: z.object({
    template: z.object({
      spec: z.object({
        hostUsers: z.boolean().optional(),
        securityContext: z.object({ seccompProfile: profile, appArmorProfile: profile }).optional(),
        containers: z.array(
          z.object({
            env: z.array(z.object({ name: z.string(), value: z.string().optional() })).default([]),
            securityContext: z.object({ procMount: z.string().optional() }).optional(),
          }),
        ),
      }),
    }),
  }),
});

/** A pod without these ends at its start, again and again; of the wrong form it is told of elsewhere. */
export function listSandboxMistakes(manifest: Manifest): string[] {
  const parsed = workload.safeParse(manifest.content);
  if (!parsed.success) return [];
  const { hostUsers, securityContext, containers } = parsed.data.spec.template.spec;
  const required = containers.filter(({ env }) =>
    env.some(({ name, value }) => name === "FACTORY_SANDBOX" && value === "required"),
  );
  if (required.length === 0) return [];
  const missing = [
    ...(hostUsers === false ? [] : ["hostUsers: false"]),
    ...(required.every((each) => each.securityContext?.procMount === "Unmasked")
      ? []
      : ["procMount: Unmasked"]),
    ...(["seccompProfile", "appArmorProfile"] as const)
      // A profile of the node's own may allow what bubblewrap needs.
      .filter((name) => !["Localhost", "Unconfined"].includes(securityContext?.[name]?.type ?? ""))
      .map((name) => `${name} with the type Unconfined or Localhost`),
  ];
  return missing.map(
    (each) => `${describe(manifest)}: FACTORY_SANDBOX is required, which needs ${each}`,
  );
}
