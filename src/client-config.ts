// What the client side of the `factory` command reads of the environment. Apart from a server's settings, which take
// longer to load than a question takes to be answered.
import { homedir } from "node:os";
import { join } from "node:path";
import { ConfigError } from "./config-error.ts";
import { homeOf } from "./home-path.ts";
import { readSecretFiles } from "./secret-files.ts";
import { readTraceparent } from "./trace-context.ts";

export interface ClientConfig {
  /** FACTORY_URL. */
  readonly url: string | undefined;
  /** Where a server listens by HOST and PORT, or by default. */
  readonly usualUrl: string;
  /** FACTORY_TOKEN, or what the file of FACTORY_TOKEN_FILE holds. */
  readonly token: string | undefined;
  /** FACTORY_HOME: an absolute path. */
  readonly home: string;
  /** TRACEPARENT: the trace that what is asked for belongs to. */
  readonly traceparent: string | undefined;
  /** Inside a worker: itself, and where it works. */
  readonly worker: OwnWorker | undefined;
}

export interface OwnWorker {
  /** worker-N */
  readonly name: string;
  readonly owner: string | undefined;
  readonly repository: string | undefined;
}

/**
 * From the environment alone: an agent starts the command in a repository's folder, whose `.env` could have
 * the token sent elsewhere.
 * @throws ConfigError
 */
export function loadClientConfig(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): ClientConfig {
  // An empty variable is an unset one, as it is among the server's settings.
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ""));
  const { HOST = "127.0.0.1", PORT = "4000", FACTORY_URL, FACTORY_WORKER } = given;
  if (FACTORY_URL !== undefined && !isWebAddress(FACTORY_URL)) {
    throw new ConfigError(
      "FACTORY_URL must be an http or https URL, such as http://127.0.0.1:4000",
    );
  }
  const { secrets, mistakes } = readSecretFiles(given, ["FACTORY_TOKEN"]);
  if (mistakes.length > 0) throw new ConfigError(mistakes.join("\n"));
  return {
    url: FACTORY_URL?.replace(/\/+$/, ""),
    usualUrl: `http://${HOST.includes(":") ? `[${HOST}]` : HOST}:${PORT}`,
    token: given["FACTORY_TOKEN"] ?? secrets["FACTORY_TOKEN"],
    home: homeOf(given["FACTORY_HOME"]),
    traceparent: readTraceparent(given["TRACEPARENT"]),
    worker:
      FACTORY_WORKER === undefined
        ? undefined
        : {
            name: FACTORY_WORKER,
            owner: given["FACTORY_OWNER"],
            repository: given["FACTORY_REPOSITORY"],
          },
  };
}

/** Where the command keeps what it would else compile at each start. Nobody but the user may write there. */
export function compileCacheFolder(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): string {
  const given = environment["XDG_CACHE_HOME"];
  // A relative one is to be ignored. Source: XDG Base Directory Specification.
  const base = given?.startsWith("/") === true ? given : join(homedir(), ".cache");
  return join(base, "factory");
}

function isWebAddress(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}
