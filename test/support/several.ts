// Several servers on one database: an api server, and runners with a FACTORY_HOME each.
import { startFactory, type FactoryServer } from "./factory.ts";
import type { GitServer } from "./git-server.ts";
import { createDatabase } from "./postgres.ts";

export interface Several {
  readonly api: FactoryServer;
  /** By the names under which the api server knows them. */
  readonly runners: Map<string, FactoryServer>;
  dispose(): Promise<void>;
}

export const leaseSeconds = 3;
const token = "one-token-for-all-servers";

export interface ListedRunner {
  readonly name: string;
  readonly host: string;
  readonly version: string;
  readonly capacity: number;
  readonly running: number;
  readonly lastSeenAt: string;
  readonly alive: boolean;
}

export async function listRunners(server: FactoryServer): Promise<ListedRunner[]> {
  const { runners } = await server.query<{ runners: ListedRunner[] }>(
    "{ runners { name host version capacity running lastSeenAt alive } }",
  );
  return runners;
}

export async function startSeveral(
  git: GitServer,
  options: { readonly runners: number; readonly env?: Readonly<Record<string, string>> },
): Promise<Several> {
  const database = await createDatabase();
  const runners = new Map<string, FactoryServer>();
  let api: FactoryServer | undefined;
  const shared = {
    FACTORY_TOKEN: token,
    FACTORY_LEASE: String(leaseSeconds),
    ...options.env,
  };
  async function dispose(): Promise<void> {
    // Those that were started again are in the map in the place of their predecessors.
    await Promise.all([api, ...runners.values()].map(async (server) => server?.dispose()));
    await database.drop();
  }
  try {
    api = await startFactory({
      git,
      database,
      arguments: ["--role", "api"],
      env: shared,
    });
    for (let count = 0; count < options.runners; count += 1) {
      const runner = await startFactory({
        git,
        database,
        arguments: ["--role", "runner"],
        env: { ...shared, FACTORY_API_URL: api.url },
      });
      const listed = await listRunners(api);
      const name = listed.find((known) => !runners.has(known.name))?.name;
      if (name === undefined) throw new Error("the runner did not register");
      runners.set(name, runner);
    }
    return { api, runners, dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}
