// Who may be freed of asking, and by whom; on a real Postgres.
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Viewer } from "../../../src/access/viewer.ts";
import { capabilitiesOf } from "../../../src/agents/capabilities.ts";
import type { AgentListing, ProtocolName } from "../../../src/agents/definition.ts";
import type { PermissionPolicy } from "../../../src/agents/talk.ts";
import { connectDatabase, type DatabaseConnection } from "../../../src/database/client.ts";
import type { WorkerSession } from "../../../src/generated/prisma/client.ts";
import { choosePolicy } from "../../../src/workers/policy.ts";
import { createDatabase, type TestDatabase } from "../../support/postgres.ts";
import { createSession } from "./rows.ts";

let database: TestDatabase;
let connection: DatabaseConnection;

beforeAll(async () => {
  database = await createDatabase();
  connection = connectDatabase(database.url, () => {});
});

afterAll(async () => {
  await connection.close();
  await database.drop();
});

function agentOf(protocol: ProtocolName): AgentListing {
  const capabilities = capabilitiesOf({ protocol });
  return { name: protocol, available: true, unavailableReason: null, protocol, capabilities };
}

const asker = agentOf("acp");
const headless = agentOf("claude-stream-json");
const shell = agentOf("plain");
const agents = [asker, headless, shell];
const operator: Viewer = { kind: "operator" };

interface Asked {
  readonly agent: AgentListing;
  readonly permissions?: PermissionPolicy;
  readonly parentSession?: string;
  readonly viewer?: Viewer;
  /** FACTORY_PERMISSIONS. */
  readonly byDefault?: PermissionPolicy;
}

function choose({ agent, byDefault = "ASK", viewer = operator, ...asked }: Asked) {
  const input = {
    parentSession: asked.parentSession ?? "commander",
    permissions: asked.permissions,
    task: "work",
    agent: agent.name,
    priority: 0,
    cleanup: "KEEP" as const,
  };
  const directory = {
    list: () => Promise.resolve(agents),
    find: (name: string) => Promise.resolve(agents.find((each) => each.name === name)),
    requireAvailable: () => Promise.resolve(agent),
  };
  const deps = { prisma: connection.prisma, agents: directory, permissions: byDefault };
  return choosePolicy(deps, input, agent, viewer);
}

test("what a dispatch asks for is what its agent is held to; else it is left to the setting", async () => {
  expect(await choose({ agent: asker, permissions: "DENY" })).toBe("DENY");
  expect(await choose({ agent: asker })).toBeNull();
});

describe("a worker's child", () => {
  async function parentWith(
    agent: AgentListing,
    permissions: PermissionPolicy | null,
  ): Promise<Pick<Asked, "parentSession" | "viewer">> {
    const { session } = await createSession(connection, "RUNNING");
    await connection.prisma.workerSession.update({
      where: { id: session.id },
      data: { agent: agent.name, permissions },
    });
    return { parentSession: nameOf(session), viewer: viewerOf(session) };
  }

  test("is held to what its parent is held to, whoever dispatches it", async () => {
    const parent = await parentWith(asker, "DENY");
    expect(await choose({ ...parent, agent: asker })).toBe("DENY");
    expect(await choose({ ...parent, agent: asker, viewer: operator })).toBe("DENY");
  });

  test("may be freed by the operator, and by no worker", async () => {
    const parent = await parentWith(asker, "ASK");
    const free = { ...parent, agent: asker, permissions: "ALLOW" } as const;
    expect(await choose({ ...free, viewer: operator })).toBe("ALLOW");
    await expect(choose(free)).rejects.toMatchObject({ code: "FORBIDDEN" });
  });

  test("may be held tighter", async () => {
    const parent = await parentWith(asker, "ALLOW");
    expect(await choose({ ...parent, agent: asker, permissions: "DENY" })).toBe("DENY");
  });

  test("of an agent that never asks is as free as can be, so only the free may have it", async () => {
    const held = await parentWith(asker, "ASK");
    await expect(choose({ ...held, agent: shell })).rejects.toMatchObject({ code: "FORBIDDEN" });
    await expect(choose({ ...held, agent: headless })).rejects.toMatchObject({ code: "FORBIDDEN" });
    const free = await parentWith(asker, "ALLOW");
    expect(await choose({ ...free, agent: shell })).toBe("ALLOW");
    // A shell is free itself, whatever the setting says.
    const inShell = await parentWith(shell, null);
    expect(await choose({ ...inShell, agent: shell })).toBeNull();
    expect(await choose({ ...inShell, agent: asker, permissions: "ALLOW" })).toBe("ALLOW");
  });

  test("is held to the setting where its parent was dispatched without a policy", async () => {
    const parent = await parentWith(asker, null);
    const free = { ...parent, agent: asker, permissions: "ALLOW" } as const;
    await expect(choose({ ...free, byDefault: "DENY" })).rejects.toMatchObject({
      code: "FORBIDDEN",
    });
    expect(await choose({ ...free, byDefault: "ALLOW" })).toBe("ALLOW");
  });

  test("of a headless agent can be denied all, and is held to that", async () => {
    const parent = await parentWith(asker, "DENY");
    expect(await choose({ ...parent, agent: headless })).toBe("DENY");
  });
});

function nameOf({ number }: WorkerSession): string {
  return `worker-${String(number)}`;
}

function viewerOf(session: WorkerSession): Viewer {
  return {
    kind: "worker",
    sessionId: session.id,
    name: nameOf(session),
    repositoryId: session.repositoryId,
  };
}
