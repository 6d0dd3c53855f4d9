// Starts the parts in the order in which they need each other, and stops them in the other one.
import { BlockList } from "node:net";
import { hostname } from "node:os";
import { withoutNpmFolders } from "../agents/programs.ts";
import { createAgentRegistry } from "../agents/registry.ts";
import type { CapName } from "../caps.ts";
import type { Config } from "../config.ts";
import { checkSessions } from "../database/check-sessions.ts";
import { connectDatabase, type DatabaseConnection } from "../database/client.ts";
import { startEmbeddedPostgres } from "../database/embedded.ts";
import { applyMigrations } from "../database/migrate.ts";
import { createEventLog } from "../events/follow.ts";
import { createNotices } from "../events/notices.ts";
import { createEventReader } from "../events/read.ts";
import { createGit } from "../git/git.ts";
import type { Services } from "../graphql/context.ts";
import type { Logger } from "../log.ts";
import { findMissingCaps } from "../process/caps.ts";
import { startQueue } from "../queue/queue.ts";
import { scheduleMaintenance } from "../maintenance/schedules.ts";
import { maintainEverywhere } from "../maintenance/everywhere.ts";
import { createMaintenanceService } from "../maintenance/service.ts";
import { createRepositoryService } from "../repositories/service.ts";
import { createAgentDirectory } from "../runners/agents.ts";
import { createRunnerCalls } from "../runners/calls.ts";
import { registerRunner, renewalMs, type RunnerFacts } from "../runners/lease.ts";
import { createSight } from "../runners/sight.ts";
import { createSandbox, warningOf, type Sandbox } from "../sandbox/sandbox.ts";
import { createSealer } from "../seal.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { readVersion } from "../version.ts";
import { capWarning } from "../workers/caps.ts";
import { watchForLost } from "../workers/lost.ts";
import { createParentService } from "../workers/parents.ts";
import { createSandboxes } from "../workers/sandbox/sandboxes.ts";
import { createSecrets } from "../workers/secrets.ts";
import { createRunner, type Runner } from "../workers/runner.ts";
import { createWorkerService } from "../workers/service.ts";
import { startDeliverer } from "../workers/webhooks/deliverer.ts";
import { createWorktreeService } from "../worktrees/service.ts";
import { leaveAddress } from "./address.ts";
import { createAuthenticator } from "./auth.ts";
import { createBrowserSessions } from "./browser-sessions.ts";
import { createFailedSignIns } from "./failed-sign-ins.ts";
import { findGitConfinement } from "./git-confinement.ts";
import { createGraphQLServer } from "./graphql.ts";
import { installCommand, openHome, readToken } from "./home.ts";
import { createHttpApp } from "./http.ts";
import { addressOf, bind, closeServer, createHttpServer } from "./listen.ts";
import { createMcpRoute } from "./mcp.ts";
import { createRestRoute } from "./rest.ts";
import { createSignInLink, type SignInLink } from "./sign-in-link.ts";
import { startMetrics, startTraces } from "./telemetry.ts";
import { watchThreadPool } from "./thread-pool.ts";
import { attachWebSocket } from "./websocket.ts";

export interface RunningServer {
  /** http://host:port */
  readonly url: string;
  readonly token: string;
  /** Whether this start has made the token. */
  readonly isTokenNew: boolean;
  /** A link that signs in the browser that opens it first; the one before is no longer valid. */
  createSignInLink(): string;
  /** Takes nothing more, leaves the workers running, unless they are to end too, and frees everything. */
  stop(how?: StopOptions): Promise<void>;
}

export interface StopOptions {
  readonly endWorkers: boolean;
}

/** What a stop does, last started first. */
class Closers {
  readonly #closers: (readonly [string, (how: StopOptions) => Promise<unknown>])[] = [];
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  add(what: string, close: (how: StopOptions) => Promise<unknown>): void {
    this.#closers.unshift([what, close]);
  }

  async closeAll(how: StopOptions = { endWorkers: false }): Promise<void> {
    for (const [what, close] of this.#closers.splice(0)) {
      try {
        await close(how);
      } catch (error) {
        this.#logger.error({ err: error }, `${what} did not stop in order`);
      }
    }
  }
}

/** @throws FactoryError, with nothing left behind, where it can't start. */
export async function startServer(config: Config, logger: Logger): Promise<RunningServer> {
  const closers = new Closers(logger);
  try {
    const running = await start(config, logger, closers);
    return { ...running, stop: (how) => closers.closeAll(how) };
  } catch (error) {
    await closers.closeAll();
    throw error;
  }
}

async function start(
  config: Config,
  logger: Logger,
  closers: Closers,
): Promise<Omit<RunningServer, "stop">> {
  const sandbox = await createSandbox({
    mode: config.role === "api" ? "off" : config.sandbox.mode,
    home: config.home,
    folder: config.home,
    searchPath: withoutNpmFolders(config.environment),
  });
  const missing = config.role === "api" ? new Map<CapName, string>() : await findMissingCaps();
  const caps = { settings: config.caps, missing };
  const warnings = [warningOf(sandbox), capWarning(caps, sandbox.isUsed)].filter(
    (warning) => warning !== undefined,
  );
  for (const warning of warnings) logger.warn(warning);
  // Workers in a sandbox are other users then, and read what the server writes for them.
  if (sandbox.isUsed && config.isRoot) process.umask(0o022);
  const { isRoot } = config;
  const home = await openHome(
    config.home,
    { isRoot, hasOthers: sandbox.isUsed },
    {
      lost(owner) {
        logger.fatal(`FACTORY_HOME was taken over by ${owner}, to which this server was silent`);
        // As an operator would: in order, and without touching what is another's now.
        process.kill(process.pid, "SIGTERM");
      },
      failed(error) {
        logger.warn({ err: error }, "FACTORY_HOME could not be marked as in use");
      },
    },
  );
  closers.add("FACTORY_HOME", () => home.release());
  const version = readVersion();
  const traces = await startTraces(config, { version, instance: home.runnerId, logger });
  if (traces !== undefined) closers.add("traces", () => traces.close());
  const registry = createAgentRegistry({
    file: config.agentsFile,
    path: withoutNpmFolders(config.environment),
    isRoot: config.isRoot,
  });
  const { token, isNew: isTokenNew } =
    config.token === undefined
      ? await readToken(config.home)
      : { token: config.token, isNew: false };
  await installCommand(config.home);

  const database = await openDatabase(config, logger, closers);
  const { prisma, pool, url: databaseUrl } = database;
  const notices = createNotices(databaseUrl, logger);
  await notices.start();
  closers.add("the notices", () => notices.close());
  const queue = await startQueue(databaseUrl, logger);
  closers.add("the queue", () => queue.stop());

  const reader = createEventReader(pool);
  const events = createEventLog(reader, notices);
  const git = createGit({
    home: config.home,
    environment: config.environment,
    protocols: config.gitProtocols,
    confine: await findGitConfinement(sandbox, config.environment["PATH"] ?? "", logger),
    logger,
  });
  const runnerId = config.role === "api" ? undefined : home.runnerId;
  const sight = createSight(renewalMs(config.leaseSeconds), config.leaseSeconds);
  const calls = createRunnerCalls({
    prisma,
    queue: queue.calls,
    notices,
    runnerId,
    sight,
    logger,
  });
  closers.add("calls of runners", () => calls.stop());
  const secrets = createSecrets(config.environment, [
    { name: "FACTORY_TOKEN", value: token },
    { name: "DATABASE_URL", value: databaseUrl },
  ]);
  if (secrets.tooShort.length > 0) {
    const settings = secrets.tooShort.join(", ");
    logger.warn(
      `secrets shorter than 8 characters are not redacted in what workers say: ${settings}`,
    );
  }
  const { redact } = secrets;
  const sealer = createSealer(token, "credentials");
  const repositories = createRepositoryService({
    ...config,
    prisma,
    git,
    calls,
    sealer,
    addSecrets: (values) => {
      secrets.add(values);
    },
    logger,
  });
  closers.add("clones", () => repositories.close());
  await repositories.recallSecrets();
  const worktrees = createWorktreeService({ prisma, repositories, calls, redact, logger });
  closers.add("worktrees", () => worktrees.close());
  const agents = createAgentDirectory({ prisma, registry, runnerId, sight });
  const workers = createWorkerService({
    permissions: config.permissions,
    limits: config,
    prisma,
    pool,
    queue,
    repositories,
    agents,
    events,
    reader,
    calls,
    redact,
    logger,
  });
  const webhookSealer = createSealer(token, "webhooks");
  const parents = createParentService({ prisma, pool, events, queue, sealer: webhookSealer });
  let runner: Runner | undefined = undefined;
  const housekeeping = createMaintenanceService({
    ...config,
    prisma,
    git,
    repositories,
    worktrees,
    runnerId: home.runnerId,
    isUnderway: (sessionId) => runner?.isUnderway(sessionId) === true,
    killGraceMs: config.killGrace * 1000,
    logger,
  });
  const maintenance = maintainEverywhere({ prisma, calls, local: housekeeping });
  const services: Services = {
    maintenance,
    prisma,
    events,
    notices,
    repositories,
    worktrees,
    workers,
    parents,
    agents,
  };

  const metrics = startMetrics({ config, version, pool, events, logger });
  closers.add("metrics", () => {
    metrics.close();
    return Promise.resolve();
  });
  const signInLink = createSignInLink();
  const edge = { warnings, token, signInLink, version, logger, closers, database, queue, metrics };
  const facts =
    runnerId === undefined ? undefined : factsOf(config, runnerId, sandbox, () => registry.list());
  if (facts !== undefined) {
    await registerRunner(prisma, facts);
    await git.moveOver(() => home.raiseLayout());
    // What a killed server left in the middle is put right before anybody can ask for it.
    await git.recover();
    await repositories.recover();
    await worktrees.recover();
  }
  const url = await listen(config, services, edge);
  if (config.role !== "runner") {
    const removeAddress = await leaveAddress(config.home, url);
    closers.add("the address file", removeAddress);
  }
  // Before the HTTP server, which waits for the answers of those who asked for it.
  closers.add("long polls", () => {
    events.endWaits();
    return Promise.resolve();
  });
  closers.add("housekeeping", () => housekeeping.close());
  if (facts !== undefined) {
    const host = {
      home: config.home,
      url: config.apiUrl ?? url,
      environment: config.environment,
      secrets,
      issueHosts: config.issueHosts,
      identity: await git.identity(),
      permissions: config.permissions,
      caps,
    };
    const sandboxes = createSandboxes({
      prisma,
      repositories: services.repositories,
      notices,
      sandbox,
      settings: config.sandbox,
      home: config.home,
      apiUrl: host.url,
      environment: config.environment,
      environmentNames: (name) => registry.find(name)?.environmentNames ?? [],
      redact,
      logger,
    });
    closers.add("workers' networks", () => sandboxes.leave());
    const started = createRunner({
      ...services,
      pool,
      queue,
      agents: registry,
      host,
      sandboxes,
      killGraceMs: config.killGrace * 1000,
      startTimeoutMs: config.startTimeout * 1000,
      memoryFloor: { floor: config.memoryFloor },
      facts,
      sight,
      logger,
    });
    closers.add("the runner", (how) => started.stop(how));
    runner = started;
    await started.start();
    await calls.start();
    await scheduleMaintenance(queue, housekeeping, {
      runnerId: facts.id,
      hasDiskBudget: config.diskBudget !== undefined,
    });
  }
  const { leaseSeconds } = config;
  const lostWatch = watchForLost({ prisma, queue, runnerId, leaseSeconds, sight, logger });
  closers.add("the watch for lost sessions", () => lostWatch.stop());
  if (config.role !== "runner") {
    const sealer = webhookSealer;
    const deliverer = startDeliverer({ prisma, queue, notices, reader, sealer, logger });
    closers.add("webhooks", () => deliverer.stop());
  }
  return { url, token, isTokenNew, createSignInLink: () => url + signInLink.create() };
}

function factsOf(
  config: Config,
  id: string,
  { availability, isUsed }: Sandbox,
  agents: RunnerFacts["agents"],
): RunnerFacts {
  const { maxWorkers: capacity, leaseSeconds } = config;
  const noSandboxReason = availability.available
    ? null
    : `${availability.reason}: ${availability.remedy}`;
  const known = { id, host: hostname(), version: readVersion(), capacity, leaseSeconds, agents };
  return { ...known, hasSandbox: isUsed, noSandboxReason };
}

async function openDatabase(
  config: Config,
  logger: Logger,
  closers: Closers,
): Promise<DatabaseConnection> {
  let url = config.databaseUrl;
  if (url === undefined) {
    const embedded = await startEmbeddedPostgres({ home: config.home, logger, keepRunning: true });
    closers.add("Postgres", () => embedded.stop());
    url = embedded.url;
  } else {
    await checkSessions(url);
  }
  const applied = await applyMigrations(url);
  if (applied.length > 0) logger.info({ applied }, "migrated the database");
  const database = connectDatabase(url, (error) => {
    logger.warn({ err: error }, "a connection to the database broke");
  });
  closers.add("the database's connections", () => database.close());
  return database;
}

interface Edge {
  /** What an operator should know of this server while it is ready. */
  readonly warnings: readonly string[];
  readonly token: string;
  readonly signInLink: SignInLink;
  readonly version: string;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly closers: Closers;
  readonly database: DatabaseConnection;
  readonly queue: { check(): Promise<void> };
}

async function listen(config: Config, services: Services, edge: Edge): Promise<string> {
  const { token, signInLink: link, version, metrics, logger, closers, database, queue } = edge;
  const { prisma, notices, workers } = services;
  const sessions = createBrowserSessions({ prisma, notices, token, logger });
  const authenticator = createAuthenticator(token, workers, sessions);
  // First, as it replaces the global Response by one whose text is sent without a stream.
  const server = createHttpServer((request, environment) => app.fetch(request, environment));
  const { introspection, trustedProxies: proxies = new BlockList() } = config;
  const graphql =
    config.role === "runner" ? undefined : createGraphQLServer(services, { introspection, logger });
  const rest = graphql === undefined ? undefined : createRestRoute({ graphql, version, logger });
  const threadPool = watchThreadPool();
  closers.add("the thread pool's watch", () => {
    threadPool.close();
    return Promise.resolve();
  });
  const app = createHttpApp({
    warnings: edge.warnings,
    threadPool,
    graphql,
    rest,
    mcp: graphql === undefined ? undefined : createMcpRoute({ graphql, version, logger }),
    metrics,
    authenticator,
    sessions,
    link,
    failures: createFailedSignIns(),
    proxies,
    version,
    logger,
    async checkReady() {
      await Promise.all([database.pool.query("SELECT 1"), queue.check()]);
    },
  });
  const webSocket =
    graphql === undefined
      ? undefined
      : attachWebSocket(server, {
          graphql,
          authenticator,
          sessions,
          proxies,
          logger,
        });
  await bind(server, config);
  closers.add("the HTTP server", () => closeServer(server));
  closers.add("the WebSocket server", async () => webSocket?.close());
  closers.add("streams of REST", async () => rest?.close());
  return addressOf(server, config.host);
}
