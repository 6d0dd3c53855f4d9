// The sandboxes of this runner's workers: what each is started with, and its way to the network while it runs.
import { mkdir } from "node:fs/promises";
import path from "node:path";
import type { AgentStart, ResolvedAgent } from "../../agents/definition.ts";
import { pickVariables } from "../../pick-variables.ts";
import type { SandboxSettings } from "../../config.ts";
import type { PrismaClient } from "../../database/client.ts";
import { FactoryError } from "../../errors.ts";
import type { Notices } from "../../events/notices.ts";
import type { Repository, WorkerSession } from "../../generated/prisma/client.ts";
import type { Logger } from "../../log.ts";
import { joinNetworkRules, readStoredRules } from "../../network-rules.ts";
import type { RepositoryService } from "../../repositories/service.ts";
import { sessionPaths } from "../../process/session-folder.ts";
import { builtInHosts, hostsOfVariables, needsHost } from "../../sandbox/network/built-in-hosts.ts";
import type { ApiPlace, WorkerNetwork } from "../../sandbox/network/open.ts";
import type { NetworkPolicy } from "../../sandbox/network/policy.ts";
import type { Refusal } from "../../sandbox/network/refusals.ts";
import { createNetworkProcess } from "../../sandbox/network/process/client.ts";
import type { Sandbox } from "../../sandbox/sandbox.ts";
import { apiUrlInside, lockIn, openNetworkOf } from "../../sandbox/worker.ts";
import { workerTopic } from "../events.ts";
import type { Redact } from "../secrets.ts";
import { pushForAgent } from "./agent-push.ts";
import { configureGit, createGitRelay } from "./git-relay.ts";
import { findHome } from "./home.ts";
import { lendLogins, takeBackLogins } from "./login.ts";
import { recordRefusal } from "./refusals.ts";
import { findShown } from "./shown.ts";

export interface SandboxesOptions {
  readonly prisma: PrismaClient;
  readonly repositories: Pick<RepositoryService, "open">;
  readonly notices: Notices;
  readonly sandbox: Sandbox;
  readonly settings: SandboxSettings;
  /** FACTORY_HOME. */
  readonly home: string;
  /** Where workers reach Factory's API. */
  readonly apiUrl: string;
  /** The server's. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The variables that an agent of this name gets of them. */
  readonly environmentNames: (agent: string) => readonly string[];
  readonly redact: Redact;
  readonly logger: Logger;
}

/** What is started in place of the agent's own command. */
export interface LockedStart {
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

export interface LockInInput {
  readonly session: WorkerSession & { readonly worktreeId: string };
  readonly repository: Repository;
  readonly agent: ResolvedAgent;
  readonly start: AgentStart;
  readonly environment: Readonly<Record<string, string>>;
  /** The session's folder. */
  readonly folder: string;
  readonly worktree: string;
  /** The worktree's repository. */
  readonly gitDirectory: string;
  /** The clone's, from which it borrows. */
  readonly objects: string;
  /** undefined: as many as the system gives. */
  readonly maxProcesses: number | undefined;
}

export interface Sandboxes {
  /** Whether the session's worker is started in one. @throws FactoryError FORBIDDEN */
  isFor(session: WorkerSession): boolean;
  /** Where a worker in a sandbox reaches Factory's API. */
  readonly apiUrl: string;
  /** @throws FactoryError SANDBOX_UNAVAILABLE, HOST_FAILURE, INTERNAL */
  lockIn(input: LockInInput): Promise<LockedStart>;
  /** For a worker that runs on from before this server's start. */
  reopen(session: WorkerSession, folder: string): Promise<void>;
  /** Its processes have ended, or this server leaves them to the next one. */
  close(
    session: WorkerSession,
    how: { readonly folder: string; readonly hasEnded: boolean },
  ): Promise<void>;
  /** This server ends. The workers' networks go on. */
  leave(): Promise<void>;
}

interface Open {
  readonly network: WorkerNetwork;
  /** Ends the watch for hosts that are allowed meanwhile. */
  readonly unwatch: () => void;
  /** Refusals that are being recorded. */
  readonly recording: Set<Promise<void>>;
}

/** In the session's folder. */
const loginRecord = "logins.json";

export function createSandboxes(options: SandboxesOptions): Sandboxes {
  const { prisma, repositories, notices, sandbox, settings, home, environment, redact, logger } =
    options;
  const networks = createNetworkProcess({
    home,
    environment,
    onLost: (error) => logger.error({ err: error }, "workers' networks were not opened again"),
  });
  const open = new Map<string, Open>();
  const api = placeOf(options.apiUrl);

  /** Those of the server's that the agent gets. */
  function variablesOf(agent: string): Record<string, string> {
    return pickVariables(environment, options.environmentNames(agent));
  }

  function policyOf(
    { agent, network }: Pick<WorkerSession, "agent" | "network">,
    repository: Pick<Repository, "network"> | null,
    variables: Readonly<Record<string, string>>,
  ): NetworkPolicy {
    return {
      rules: joinNetworkRules([
        settings.network,
        readStoredRules(repository?.network ?? null),
        readStoredRules(network),
      ]),
      builtIn: builtInHosts(agent),
      named: [
        ...hostsOfVariables(variables),
        ...(api === undefined ? hostsOfVariables({ API_BASE_URL: options.apiUrl }) : []),
      ],
    };
  }

  /** What it is refused is told in its stream. */
  function listenFor(session: WorkerSession, recording: Open["recording"]) {
    const { agent } = session;
    // An operator who has named another place of the model's doesn't need the usual one.
    const isElsewhere = hostsOfVariables(variablesOf(agent)).length > 0;
    return (refusal: Refusal) => {
      const isNeeded = !isElsewhere && needsHost(agent, refusal.host);
      const recorded = recordRefusal(prisma, session, refusal, { redact, isNeeded })
        .catch((error: unknown) => {
          logger.warn({ err: error, worker: session.number }, "a refusal was not recorded");
        })
        .finally(() => recording.delete(recorded));
      recording.add(recorded);
    };
  }

  function placeFor(
    session: WorkerSession & { readonly worktreeId: string },
    repository: Repository | null,
    folder: string,
    recording: Open["recording"],
    policy: NetworkPolicy,
  ) {
    return {
      worktreeId: session.worktreeId,
      control: path.join(folder, "net"),
      policy,
      onRefused: listenFor(session, recording),
      api,
      endFile: sessionPaths(folder).exit,
      networks,
      serve: repository === null ? undefined : relayFor(session, repository, folder),
    };
  }

  function relayFor(session: WorkerSession, repository: Repository, folder: string) {
    const clone = repositories.open(repository);
    return createGitRelay({
      repository,
      clone,
      push: (input) => pushForAgent({ prisma, session, repository, clone }, input),
      folder,
      logger: logger.child({ worker: session.number }),
    });
  }

  function keep(
    { id }: WorkerSession,
    network: WorkerNetwork,
    recording: Open["recording"],
    variables: Readonly<Record<string, string>>,
  ): void {
    const renew = async () => {
      const session = await prisma.workerSession.findUnique({
        where: { id },
        include: { repository: true },
      });
      if (session !== null) network.setPolicy(policyOf(session, session.repository, variables));
    };
    const unwatch = notices.watch(workerTopic(id), () => {
      renew().catch((error: unknown) => {
        logger.warn({ err: error }, "a worker's list of hosts could not be read anew");
      });
    });
    open.set(id, { network, unwatch, recording });
  }

  async function closeNetwork(sessionId: string, hasEnded: boolean): Promise<void> {
    const opened = open.get(sessionId);
    if (opened === undefined) return;
    open.delete(sessionId);
    opened.unwatch();
    await (hasEnded ? opened.network.close() : opened.network.leave());
    await Promise.all(opened.recording);
  }

  return {
    apiUrl: api === undefined ? options.apiUrl : apiUrlInside,
    isFor({ sandboxRequest }) {
      if (sandboxRequest === "OFF" && sandbox.mode === "required") {
        throw new FactoryError(
          "FORBIDDEN",
          "sandbox is OFF, and FACTORY_SANDBOX is required where it runs: dispatch it without, or change the setting",
        );
      }
      return sandboxRequest === "REQUIRED" || (sandboxRequest !== "OFF" && sandbox.isUsed);
    },
    async lockIn(input) {
      const { session, agent, start, folder } = input;
      // Of an earlier start of the same attempt.
      await closeNetwork(session.id, true);
      const conversation = await findHome(prisma, home, session);
      const { kind, environment: shown } = await findShown({
        agent,
        start,
        environment: input.environment,
        home,
        readable: settings.readable,
      });
      const variables = variablesOf(session.agent);
      const recording = new Set<Promise<void>>();
      const { temporary, stdout, stderr } = sessionPaths(folder);
      // As root, the worker is another user, which must get through to its own.
      await mkdir(path.dirname(conversation), { recursive: true, mode: 0o711 });
      await mkdir(conversation, { recursive: true, mode: 0o700 });
      await lendLogins({
        logins: agent.definition.logins ?? [],
        settings: agent.definition.settings ?? [],
        environment,
        home: conversation,
        record: path.join(folder, loginRecord),
      });
      const locked = await lockIn(sandbox, {
        ...placeFor(
          session,
          input.repository,
          folder,
          recording,
          policyOf(session, input.repository, variables),
        ),
        gitConfiguration: configureGit(input.repository),
        command: start.command,
        environment: { ...shown, HOME: conversation },
        directory: input.worktree,
        writable: [input.worktree, input.gitDirectory, conversation, temporary],
        own: [stdout, stderr],
        kind,
        readable: [input.objects],
        maxProcesses: input.maxProcesses,
      });
      keep(session, locked.network, recording, variables);
      return { command: locked.command, environment: locked.environment };
    },
    async reopen(session, folder) {
      if (session.sandbox !== "BUBBLEWRAP" || open.has(session.id)) return;
      const { worktreeId, repositoryId } = session;
      if (worktreeId === null) throw new FactoryError("INTERNAL", "the session has no worktree");
      const repository =
        repositoryId === null
          ? null
          : await prisma.repository.findUnique({ where: { id: repositoryId } });
      const recording = new Set<Promise<void>>();
      const variables = variablesOf(session.agent);
      const policy = policyOf(session, repository, variables);
      const place = placeFor({ ...session, worktreeId }, repository, folder, recording, policy);
      try {
        keep(session, await openNetworkOf(place), recording, variables);
      } catch (error) {
        // It works on without: to end it for that would lose what it does.
        logger.error(
          { err: error, worker: session.number },
          "a worker's network was not opened again",
        );
      }
    },
    async close(session, { folder, hasEnded }) {
      await closeNetwork(session.id, hasEnded);
      // Without a sandbox its folder is the worker's own to write.
      if (!hasEnded || session.sandbox === "NONE") return;
      for (const reason of await takeBackLogins(path.join(folder, loginRecord))) {
        logger.warn({ worker: session.number }, reason);
      }
    },
    leave: () => networks.leave(),
  };
}

/** undefined: it speaks TLS, and is reached by the proxy, as the name in its certificate must be. */
function placeOf(apiUrl: string): ApiPlace | undefined {
  const url = new URL(apiUrl);
  if (url.protocol !== "http:") return undefined;
  return { host: url.hostname.replace(/^\[(.*)\]$/, "$1"), port: Number(url.port || 80) };
}
