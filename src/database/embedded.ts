import { mkdir, realpath } from "node:fs/promises";
import { FactoryError } from "../errors.ts";
import { reachBinaries, resolveBinaries } from "./embedded/binaries.ts";
import { prepareCluster, prepareFolder } from "./embedded/cluster.ts";
import { connectionUrl, createDatabase } from "./embedded/connection.ts";
import { keepRunning as keep, type EmbeddedLogger } from "./embedded/keeper.ts";
import { layoutIn, type Layout } from "./embedded/layout.ts";
import { findLeftover, type RunningPostgres } from "./embedded/leftover.ts";
import { findBarrier, findOwner, openHome, type Owner } from "./embedded/owner.ts";
import { launchPostmaster, stopPostmaster, type LaunchOptions } from "./embedded/postmaster.ts";
import {
  port,
  prepareSocketFolder,
  removeSocketFolderElsewhere,
} from "./embedded/socket-folder.ts";

export interface EmbeddedPostgresOptions {
  /** FACTORY_HOME. Postgres is kept in its folder `postgres`; both are made where missing. */
  readonly home: string;
  readonly logger?: EmbeddedLogger;
  /** False: faster, and the data is lost if the machine goes down. For tests. Default: true. */
  readonly durable?: boolean;
  /** True: it is started again when it ends by itself, under the same url. Default: false. */
  readonly keepRunning?: boolean;
}

export interface EmbeddedPostgres {
  /** Connects to the database `factory` through the Unix socket. It holds the password. */
  readonly url: string;
  /** Of the one that runs now. */
  readonly pid: number;
  /** It was running already: a server that was killed had left it. */
  readonly reused: boolean;
  readonly socketFolder: string;
  readonly logFile: string;
  /**
   * Ends all connections and stops Postgres, also one that was running already: fast within 5 s, else
   * immediately. Further calls wait for the same end.
   * @throws FactoryError HOST_FAILURE when it doesn't stop within 15 s.
   */
  stop(): Promise<void>;
}

/**
 * Starts the Postgres that comes with Factory, or takes over the one that a killed server left running.
 * A home belongs to one server: a second one would take over the first one's Postgres, and stop it.
 * @throws FactoryError HOST_FAILURE with the reason, and the last lines of Postgres's log.
 */
export async function startEmbeddedPostgres(
  options: EmbeddedPostgresOptions,
): Promise<EmbeddedPostgres> {
  const { logger, durable = true, keepRunning = false } = options;
  const owner = await findOwner();
  const layout = layoutIn(await prepareHome(options.home, owner));
  await prepareFolder(layout, owner);
  const binaries = await reachBinaries(await resolveBinaries(), owner, layout);
  const password = await prepareCluster({ layout, owner, initdb: binaries.initdb, durable });

  const launching = { postgres: binaries.postgres, layout, owner, durable };
  const running = await takeOverOrLaunch(launching);
  const { postmaster, socketFolder, reused } = running;
  const keeper = keepRunning
    ? keep(running, { layout, logger, restart: (signal) => restart(launching, running, signal) })
    : undefined;
  let stopping: Promise<void> | undefined;
  const stop = () =>
    (stopping ??= (async () => {
      await keeper?.release();
      await stopAndTidy(keeper?.current() ?? running, layout, owner);
    })());
  try {
    await createDatabase(running, password);
  } catch (error) {
    await stop();
    throw new FactoryError(
      "HOST_FAILURE",
      `The embedded Postgres runs, but its database can't be opened: ${String(error)}`,
      { cause: error },
    );
  }
  logger?.info(
    { pid: postmaster.pid, socketFolder },
    reused ? "took over the embedded Postgres that was running" : "started the embedded Postgres",
  );
  return {
    url: connectionUrl(running, password),
    get pid() {
      return (keeper?.current() ?? running).postmaster.pid;
    },
    reused,
    socketFolder,
    logFile: layout.log,
    stop,
  };
}

/** The home with all symbolic links resolved, and open to the user that Postgres runs as. */
async function prepareHome(home: string, owner: Owner): Promise<string> {
  await mkdir(home, { recursive: true, mode: owner === undefined ? 0o700 : 0o711 });
  await openHome(home, owner);
  const path = await realpath(home);
  const barrier = await findBarrier(path, owner);
  if (barrier === undefined) return path;
  throw new FactoryError(
    "HOST_FAILURE",
    `The embedded Postgres can't run as root, and the user postgres, which it runs as, can't enter ` +
      `${barrier}. Set FACTORY_HOME to a folder that it can reach, such as /var/lib/factory, or ` +
      `DATABASE_URL to a Postgres of your own.`,
  );
}

async function takeOverOrLaunch(
  options: Omit<LaunchOptions, "socketFolder">,
): Promise<RunningPostgres> {
  const leftover = await findLeftover(options.layout);
  if (leftover !== undefined) return leftover;
  const socketFolder = await prepareSocketFolder(options.layout, options.owner);
  try {
    const postmaster = await launchPostmaster({ ...options, socketFolder });
    return { postmaster, socketFolder, port, reused: false };
  } catch (error) {
    // One whose server was killed in the moment between its start and its lock file is seen only now.
    const late = await findLeftover(options.layout);
    if (late !== undefined) return late;
    await removeSocketFolderElsewhere(options.layout, options.owner);
    throw error;
  }
}

/** Under the address of before, which everybody knows. */
async function restart(
  options: Omit<LaunchOptions, "socketFolder">,
  before: RunningPostgres,
  signal: AbortSignal,
): Promise<RunningPostgres> {
  const { socketFolder } = before;
  const found = await findLeftover(options.layout, signal);
  if (found !== undefined) {
    if (found.socketFolder === socketFolder && found.port === before.port) return found;
    throw new FactoryError(
      "HOST_FAILURE",
      `Somebody else started a Postgres on ${options.layout.data} (process ${found.postmaster.pid}): stop it.`,
    );
  }
  // A clean-up of the temporary folder may have taken it.
  await prepareSocketFolder(options.layout, options.owner);
  const postmaster = await launchPostmaster({ ...options, socketFolder, signal });
  return { ...before, postmaster };
}

async function stopAndTidy(running: RunningPostgres, layout: Layout, owner: Owner): Promise<void> {
  await stopPostmaster(running.postmaster, layout);
  await removeSocketFolderElsewhere(layout, owner);
}
