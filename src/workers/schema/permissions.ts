import { builder } from "../../graphql/builder.ts";
import type { PermissionRequestPayload } from "../events.ts";

const PermissionOptionRef = builder
  .objectRef<PermissionRequestPayload["options"][number]>("PermissionOption")
  .implement({
    description: "An answer that a permission request may get.",
    fields: (t) => ({
      id: t.exposeID("id", { description: "What to answer with." }),
      name: t.exposeString("name", { description: "Fit to show to a person." }),
      kind: t.exposeString("kind", {
        description: "The agent's word for what it means, such as allow_once.",
      }),
    }),
  });

export const PermissionRequestRef = builder
  .objectRef<PermissionRequestPayload>("PermissionRequest")
  .implement({
    description: "Something that an agent asks permission for.",
    fields: (t) => ({
      id: t.exposeID("id", { description: "Unique within its session." }),
      title: t.exposeString("title", {
        description: "What it wants to do, fit to show to a person.",
      }),
      options: t.field({
        type: [PermissionOptionRef],
        description: "What may be answered.",
        resolve: ({ options }) => [...options],
      }),
      answer: t.exposeID("answer", {
        nullable: true,
        description: "The id of the option chosen; null while it waits.",
      }),
    }),
  });
