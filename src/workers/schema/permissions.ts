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
        description:
          "What it wants to do in the model's words, fit to show to a person. What will be done stands in command, locations and diff.",
      }),
      command: t.string({
        nullable: true,
        description:
          "The command line that will run, by the tool call's own arguments; 8,000 characters at most. null where they name none.",
        resolve: ({ command }) => command ?? null,
      }),
      kind: t.string({
        nullable: true,
        description: "The agent's word for the kind of tool, such as read, edit or execute.",
        resolve: ({ kind }) => kind ?? null,
      }),
      locations: t.stringList({
        description:
          "Paths that the tool call names, each with :LINE behind it where that is known; 50 at most, then how many more.",
        resolve: ({ locations }) => [...(locations ?? [])],
      }),
      diff: t.string({
        nullable: true,
        description:
          "How files will be changed, as a unified diff; 65,536 characters at most. null where the tool call doesn't say.",
        resolve: ({ diff }) => diff ?? null,
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
