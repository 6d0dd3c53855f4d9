import { join } from "node:path";

/** The files of the embedded Postgres, all absolute. */
export interface Layout {
  readonly folder: string;
  /** Postgres's data folder. It exists only when it is complete. */
  readonly data: string;
  readonly password: string;
  readonly log: string;
  /** The last log that grew too big. */
  readonly oldLog: string;
  readonly socketFolder: string;
  /** Names the socket's folder where `socketFolder` is too long a path for a socket. */
  readonly socketFolderElsewhere: string;
}

export const roleName = "factory";
export const databaseName = "factory";
/** What a data folder is called while initdb still fills it; a random ending follows. */
export const unfinishedPrefix = "unfinished-";

export function layoutIn(home: string): Layout {
  const folder = join(home, "postgres");
  return {
    folder,
    data: join(folder, "data"),
    password: join(folder, "password"),
    log: join(folder, "postgres.log"),
    oldLog: join(folder, "postgres.log.old"),
    socketFolder: join(folder, "socket"),
    socketFolderElsewhere: join(folder, "socket-folder"),
  };
}
