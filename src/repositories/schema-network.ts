// What workers may reach, as clients write and read it: per repository, and for the workers' own schema.
import { assertOperator } from "../access/viewer.ts";
import { FactoryError } from "../errors.ts";
import { builder } from "../graphql/builder.ts";
import {
  parseNetworkRules,
  readStoredRules,
  writeHostPattern,
  writeNetworkRules,
} from "../network-rules.ts";
import { RepositoryRef } from "./schema.ts";

const NetworkModeRef = builder.enumType("NetworkMode", {
  description: "What a worker in a sandbox may reach beside the hosts that are listed for it.",
  values: {
    LIST: { description: "The hosts that are built in for its agent, and package registries." },
    OPEN: {
      description: "Every host of the internet; private addresses only where a host is listed.",
    },
    NONE: {
      description: "Nothing: neither what is built in, nor what the lists before this one have.",
    },
  } as const,
});

interface Network {
  readonly mode: "LIST" | "OPEN" | "NONE";
  readonly allow: readonly string[];
}

export const NetworkRef = builder.objectRef<Network>("Network").implement({
  description: "Hosts that workers in a sandbox may reach.",
  fields: (t) => ({
    mode: t.field({
      type: NetworkModeRef,
      description: "Beside the hosts.",
      resolve: ({ mode }) => mode,
    }),
    allow: t.stringList({
      description: "Hosts, such as example.com, *.example.com, git.example.com:8443 or 10.0.0.5:*.",
      resolve: ({ allow }) => [...allow],
    }),
  }),
});

export const NetworkInputRef = builder.inputType("NetworkInput", {
  description:
    "Hosts that workers in a sandbox may reach. A list adds to that of FACTORY_NETWORK, and one of a session to its repository's.",
  fields: (t) => ({
    mode: t.field({ type: NetworkModeRef, defaultValue: "LIST", description: "Beside the hosts." }),
    allow: t.stringList({
      description:
        "Hosts, such as example.com, *.example.com, git.example.com:8443 or 10.0.0.5:*; without a port: 80 and 443. A host that is written out may be at a private address. 500 at most.",
    }),
  }),
});

/** As it is stored. @throws FactoryError BAD_INPUT */
export function readNetworkInput({
  mode,
  allow,
}: {
  readonly mode?: Network["mode"] | null | undefined;
  readonly allow?: readonly string[] | null | undefined;
}): string {
  const hosts = allow ?? [];
  const odd = hosts.find((host) => host.trim() === "" || /[\s,]/.test(host));
  if (odd !== undefined) {
    throw new FactoryError(
      "BAD_INPUT",
      `network.allow holds ${JSON.stringify(odd.slice(0, 100))}: give each host by itself`,
    );
  }
  if (hosts.some((host) => host === "OPEN" || host === "NONE")) {
    throw new FactoryError(
      "BAD_INPUT",
      "network.allow holds OPEN or NONE: give that as network.mode",
    );
  }
  const words = [...(mode == null || mode === "LIST" ? [] : [mode]), ...hosts];
  const rules = parseNetworkRules(words.join(","));
  if (typeof rules === "string") throw new FactoryError("BAD_INPUT", `network ${rules}`);
  return writeNetworkRules(rules);
}

export function showNetwork(stored: string | null): Network | null {
  if (stored === null) return null;
  const { mode, hosts } = readStoredRules(stored);
  return { mode, allow: hosts.map(writeHostPattern) };
}

builder.prismaObjectField(RepositoryRef, "network", (t) =>
  t.field({
    type: NetworkRef,
    nullable: true,
    description: "What its workers may reach beside FACTORY_NETWORK; null: nothing more.",
    select: { network: true },
    resolve: ({ network }) => showNetwork(network),
  }),
);

const SetRepositoryNetworkInput = builder.inputType("SetRepositoryNetworkInput", {
  description: "What the workers of a repository may reach.",
  fields: (t) => ({
    owner: t.string({ required: true, description: "The repository's owner." }),
    name: t.string({ required: true, description: "The repository's name." }),
    network: t.field({
      type: NetworkInputRef,
      description: "In place of what was set before; null: nothing beside FACTORY_NETWORK.",
    }),
  }),
});

const SetRepositoryNetworkPayload = builder
  .objectRef<{ readonly id: string }>("SetRepositoryNetworkPayload")
  .implement({
    description: "A repository whose workers' network was set.",
    fields: (t) => ({
      repository: t.prismaField({
        type: RepositoryRef,
        description: "The repository.",
        resolve: (query, { id }, _args, { prisma }) =>
          prisma.repository.findUniqueOrThrow({ ...query, where: { id } }),
      }),
    }),
  });

builder.mutationField("setRepositoryNetwork", (t) =>
  t.field({
    type: SetRepositoryNetworkPayload,
    nullable: true,
    description:
      "Says which hosts the workers of a repository may reach, from their next start on. Operator only. Errors: BAD_INPUT, REPOSITORY_NOT_FOUND, FORBIDDEN.",
    args: {
      input: t.arg({
        type: SetRepositoryNetworkInput,
        required: true,
        description: "Which hosts.",
      }),
    },
    async resolve(_root, { input: { network, ...name } }, { viewer, repositories, prisma }) {
      assertOperator(viewer);
      const stored = network == null ? null : readNetworkInput(network);
      const { id } = await repositories.get(name);
      await prisma.repository.update({ where: { id }, data: { network: stored } });
      return { id };
    },
  }),
);
