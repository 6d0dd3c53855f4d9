// From a prepared worktree to a running agent.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buildWorkerEnvironment } from "../agents/environment.ts";
import type { StartContext } from "../agents/definition.ts";
import type { PermissionPolicy } from "../agents/talk.ts";
import type { PrismaClient } from "../database/client.ts";
import { mcpServerFor } from "../agents/mcp-server.ts";
import type { AgentRegistry } from "../agents/registry.ts";
import type { IssueHost } from "../config.ts";
import type { WorkerSession } from "../generated/prisma/client.ts";
import { step } from "../measurements.ts";
import type { Identity } from "../process/identity.ts";
import { launch } from "../process/launch.ts";
import { createSessionFolder, sessionPaths } from "../process/session-folder.ts";
import type { RepositoryService } from "../repositories/service.ts";
import { capsOf, type HostCaps } from "./caps.ts";
import { workerName } from "./find.ts";
import { createLaunchRecord } from "./launch-record.ts";
import type { Prepared } from "./prepare.ts";
import { composePrompt } from "./prompt.ts";
import type { Sandboxes } from "./sandbox/sandboxes.ts";
import type { Secrets } from "./secrets.ts";
import { beginTalk } from "./talk/begin.ts";
import { agentTraceOf } from "./trace.ts";

export interface WorkerHost {
  /** FACTORY_HOME. */
  readonly home: string;
  /** Where workers reach this server. */
  readonly url: string;
  /** Whose name the workers' commits carry; the host's own git settings may be out of their reach. */
  readonly identity: { readonly name: string; readonly email: string };
  /** FACTORY_PERMISSIONS. */
  readonly permissions: PermissionPolicy;
  /** The server's environment, from which a worker's is picked. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Left out of all that is kept or told of workers. */
  readonly secrets: Secrets;
  /** Where issues are read for agents. */
  readonly issueHosts: readonly IssueHost[];
  readonly caps: HostCaps;
}

/** One folder per attempt, so that an attempt that was given up can't be taken for its successor. */
export function sessionFolder(
  home: string,
  { id, attempt }: Pick<WorkerSession, "id" | "attempt">,
): string {
  return join(home, "sessions", `${id}-${String(attempt)}`);
}

/** By this a session's processes are found, wherever they went. */
export function sessionNonce({ id, attempt }: Pick<WorkerSession, "id" | "attempt">): string {
  return `${id}-${String(attempt)}`;
}

/** @throws FactoryError SANDBOX_UNAVAILABLE, HOST_FAILURE */
export async function startAgent(
  deps: {
    readonly prisma: PrismaClient;
    readonly agents: AgentRegistry;
    readonly repositories: RepositoryService;
    readonly host: WorkerHost;
    readonly sandboxes: Sandboxes;
  },
  ready: Prepared,
  speaker: { readonly token: string; readonly parentSession: string },
  signal: AbortSignal,
  /** Which start within the attempt it is. */
  starts = 1,
): Promise<{ identity: Identity; session: WorkerSession }> {
  const { host } = deps;
  const { session: prepared, repository, worktree } = ready;
  const agent = deps.agents.requireAvailable(prepared.agent);
  const { definition, way } = agent;
  const folder = sessionFolder(host.home, prepared);
  const git = deps.repositories.open(repository);
  const { temporary } = sessionPaths(folder);
  const isLockedIn = deps.sandboxes.isFor(prepared);
  const caps = capsOf(prepared, host.caps, isLockedIn);
  const url = isLockedIn ? deps.sandboxes.apiUrl : host.url;
  const mcpServers =
    way.ignoresServers === true ? [] : [mcpServerFor({ url, token: speaker.token })];
  const { prompt, resume, note } = await composePrompt({ ...deps, ...host, signal }, ready, {
    protocol: agent.way.protocol,
    hasReportTool: mcpServers.length > 0,
  });
  const context: StartContext = {
    task: prepared.task,
    prompt,
    permissions: prepared.permissions ?? host.permissions,
    resume,
    mcpServers,
    gitDir: git.worktreeGitDir(prepared.branch),
    worktree: worktree.path,
    temporary,
    environment: host.environment,
  };
  const launched = createLaunchRecord(sessionNonce(prepared));
  const sandbox = isLockedIn ? "BUBBLEWRAP" : "NONE";
  const begun = { note, starts, launch: launched, sandbox, redact: host.secrets.redact } as const;
  const { session, isSpokenTo } = await beginTalk(deps.prisma, prepared, agent, context, begun);
  await createSessionFolder({
    folder,
    hasInput: isSpokenTo,
    isPassable: isLockedIn && process.getuid?.() === 0,
  });
  const start = way.start(context);
  for (const [file, content] of Object.entries(start.files ?? {})) {
    await writeFile(file, content, { mode: 0o600 });
  }
  const traceparent = agentTraceOf(session);
  const env = buildWorkerEnvironment({
    source: host.environment,
    agent: definition,
    start: start.env,
    binFolder: join(host.home, "bin"),
    tmpFolder: temporary,
    factory: {
      FACTORY_URL: url,
      FACTORY_TOKEN: speaker.token,
      FACTORY_WORKER: workerName(session),
      FACTORY_PARENT_SESSION: speaker.parentSession,
      FACTORY_OWNER: repository.owner,
      FACTORY_REPOSITORY: repository.name,
      FACTORY_BRANCH: session.branch,
      FACTORY_BASE: worktree.base ?? "",
      FACTORY_ISSUE: session.issue ?? "",
      FACTORY_TASK: session.task,
      ...(traceparent === undefined ? {} : { TRACEPARENT: traceparent }),
      GIT_AUTHOR_NAME: host.identity.name,
      GIT_AUTHOR_EMAIL: host.identity.email,
      GIT_COMMITTER_NAME: host.identity.name,
      GIT_COMMITTER_EMAIL: host.identity.email,
    },
  });
  const locked = isLockedIn
    ? await deps.sandboxes.lockIn({
        session: { ...session, worktreeId: worktree.id },
        repository,
        agent,
        start,
        environment: env,
        folder,
        worktree: worktree.path,
        gitDirectory: context.gitDir,
        objects: git.objects,
        maxProcesses: caps.all.processes,
      })
    : { command: start.command, environment: env };
  const { identity } = await step("spawn", { facts: { agent: session.agent } }, () =>
    launch({
      folder,
      command: locked.command,
      cwd: worktree.path,
      env: locked.environment,
      nonce: launched.nonce,
      exitKey: launched.exitKey,
      caps: caps.byGroups,
    }),
  );
  return { identity, session };
}
