/**
 * What is set on Postgres's command line, so that an update of Factory changes it for old data folders
 * too. The data folder's own postgresql.conf still holds whatever an operator adds.
 */
const settings: Readonly<Record<string, string>> = {
  // The socket is the only way in: other users of the machine and the network can't reach it.
  listen_addresses: "",
  unix_socket_permissions: "0700",
  // Small: beside the workers, Postgres is a guest on its machine.
  max_connections: "100",
  shared_buffers: "32MB",
  jit: "off",
  max_parallel_workers_per_gather: "0",
  max_logical_replication_workers: "0",
  huge_pages: "off",
  // Spares the three I/O worker processes of Postgres 18.
  io_method: "sync",
  min_wal_size: "32MB",
  max_wal_size: "256MB",
  // Starts, stops and what ends Postgres. A failed statement reaches its caller, who logs it; here its
  // text might tell a secret, and a loop of failures would fill the disk.
  log_min_messages: "log",
  log_min_error_statement: "panic",
  log_checkpoints: "off",
  log_autovacuum_min_duration: "-1",
  log_timezone: "UTC",
  timezone: "UTC",
};

/** For data that nobody needs after a crash of the machine: tests. */
const carelessSettings: Readonly<Record<string, string>> = {
  fsync: "off",
  full_page_writes: "off",
};

export interface ServerSettings {
  readonly dataFolder: string;
  readonly socketFolder: string;
  /** False: fast, and lost if the machine goes down. */
  readonly durable: boolean;
}

/** The arguments of `postgres`. */
export function serverArguments({ dataFolder, socketFolder, durable }: ServerSettings): string[] {
  const all = {
    ...settings,
    ...(durable ? {} : carelessSettings),
    // A list whose members may be quoted; a comma or space in an unquoted path would split it.
    // https://www.postgresql.org/docs/18/runtime-config-connection.html
    unix_socket_directories: `"${socketFolder.replaceAll('"', '""')}"`,
  };
  return [
    "-D",
    dataFolder,
    ...Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
  ];
}

/** The arguments of `initdb`, besides the folder and the password file. */
export function initialisationArguments(role: string, durable: boolean): string[] {
  return [
    `--username=${role}`,
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    // Postgres's own collation: an update of the machine's C library never breaks an index.
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--no-instructions",
    ...(durable ? [] : ["--no-sync"]),
  ];
}
