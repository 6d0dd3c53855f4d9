import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { availableParallelism, homedir, tmpdir, totalmem } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { loadClientConfig } from "../../src/client-config.ts";
import { ConfigError } from "../../src/config-error.ts";
import { loadConfig } from "../../src/config.ts";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "factory-config-"));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

function load(environment: Readonly<Record<string, string>>, dotenv = "none") {
  return loadConfig(environment, join(folder, dotenv));
}

function mistakes(environment: Readonly<Record<string, string>>): string[] {
  try {
    load(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split("\n");
    throw error;
  }
  throw new Error("it was accepted");
}

test("without any setting all have their defaults", () => {
  const isRoot = process.getuid?.() === 0;
  expect(load({})).toEqual({
    role: "all",
    host: "127.0.0.1",
    port: 4000,
    home: isRoot ? "/var/lib/factory" : join(homedir(), ".factory"),
    databaseUrl: undefined,
    token: undefined,
    tokenFile: join(isRoot ? "/var/lib/factory" : join(homedir(), ".factory"), "token"),
    remoteTemplate: "https://github.com/{owner}/{name}.git",
    gitProtocols: ["https", "ssh"],
    maxWorkers: availableParallelism() * 2,
    syncMaxAge: 0,
    killGrace: 10,
    leaseSeconds: 30,
    apiUrl: undefined,
    retentionDays: 30,
    startTimeout: 60,
    diskBudget: undefined,
    agentsFile: undefined,
    permissions: "ALLOW",
    sandbox: {
      mode: "auto",
      network: { mode: "LIST", hosts: [] },
      readable: [],
    },
    memoryFloor: Math.round(totalmem() * 0.05),
    caps: { memory: undefined, cpus: undefined, processes: undefined },
    maxDepth: 3,
    maxChildren: 20,
    issueHosts: [
      {
        kind: "github",
        url: "https://github.com",
        token: undefined,
        tokenName: "GITHUB_TOKEN",
      },
      {
        kind: "gitlab",
        url: "https://gitlab.com",
        token: undefined,
        tokenName: "GITLAB_TOKEN",
      },
      { kind: "gitea", url: "https://codeberg.org", token: undefined, tokenName: "GITEA_TOKEN" },
    ],
    traces: undefined,
    logLevel: "info",
    introspection: true,
    isRoot,
    environment: {},
  });
});

test("workers' sandbox, network and limits are parsed", () => {
  const { sandbox, caps } = load({
    FACTORY_SANDBOX: "required",
    FACTORY_NETWORK: "NONE,*.example.com:8443",
    FACTORY_SANDBOX_READABLE: "/opt/tools:/home/ada/.rustup:",
    FACTORY_WORKER_MEMORY: "4G",
    FACTORY_WORKER_PROCESSES: "512",
    FACTORY_WORKER_CPUS: "1.5",
  });
  expect(sandbox).toEqual({
    mode: "required",
    network: { mode: "NONE", hosts: [{ host: "example.com", isWildcard: true, port: 8443 }] },
    readable: ["/opt/tools", "/home/ada/.rustup"],
  });
  expect(caps).toEqual({ memory: 4 * 2 ** 30, cpus: 1.5, processes: 512 });
});

test("the memory that must be free is a size, or none", () => {
  expect(load({ FACTORY_MEMORY_FLOOR: "1G" }).memoryFloor).toBe(2 ** 30);
  expect(load({ FACTORY_MEMORY_FLOOR: "0" }).memoryFloor).toBe(0);
});

test("no setting shows workers the server's home", () => {
  const home = { FACTORY_HOME: "/srv/factory" };
  for (const shown of ["/srv/factory", "/srv"]) {
    expect(() => load({ ...home, FACTORY_SANDBOX_READABLE: shown })).toThrow(
      /which holds FACTORY_HOME/,
    );
  }
  expect(load({ ...home, FACTORY_SANDBOX_READABLE: "/srv/fact" }).sandbox.readable).toEqual([
    "/srv/fact",
  ]);
});

test.each([
  ["FACTORY_MEMORY_FLOOR", "5%", /^must be a number of bytes, or 0 for none/],
  ["FACTORY_SANDBOX", "on", "may be required, auto, off"],
  ["FACTORY_SANDBOX_READABLE", "tools", /^must be absolute paths/],
  ["FACTORY_SANDBOX_READABLE", "/opt:/", /^must be absolute paths/],
  ["FACTORY_SANDBOX_READABLE", "/opt/../etc", /^must be absolute paths/],
  [
    "FACTORY_NETWORK",
    "*",
    /^must be OPEN, NONE or a list of hosts.*"\*" is every host: write OPEN$/,
  ],
  ["FACTORY_NETWORK", "https://example.com/", /is an address of a page or a block$/],
  ["FACTORY_WORKER_MEMORY", "10M", /^must be a number of bytes, 64M or more/],
  ["FACTORY_WORKER_MEMORY", "4 GB", /^must be a number of bytes, 64M or more/],
  ["FACTORY_WORKER_PROCESSES", "1", "must be a whole number from 16 to 1000000"],
  ["FACTORY_WORKER_CPUS", "0", /^must be a number of processors from 0.1 to 1024/],
  ["FACTORY_WORKER_CPUS", "two", /^must be a number of processors from 0.1 to 1024/],
])("%s can't be %s, and says what it may be", (name, value, words) => {
  const [mistake, ...others] = mistakes({ [name]: value });
  expect(others).toEqual([]);
  expect(mistake?.startsWith(`${name} `)).toBe(true);
  expect(mistake?.slice(name.length + 1)).toMatch(words);
});

test("trusted proxies are addresses and CIDR blocks, of IPv4 and IPv6", () => {
  const proxiesOf = (text: string) => load({ FACTORY_TRUSTED_PROXIES: text }).trustedProxies;
  const proxies = proxiesOf("10.0.0.0/8, 127.0.0.1,fd00::/8 ,::1,");
  for (const address of ["10.255.0.1", "127.0.0.1"]) expect(proxies?.check(address)).toBe(true);
  for (const address of ["11.0.0.1", "127.0.0.2"]) expect(proxies?.check(address)).toBe(false);
  expect(proxies?.check("fd12::1", "ipv6")).toBe(true);
  expect(proxies?.check("fe80::1", "ipv6")).toBe(false);
  const wrong = ["proxy.example", "*", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0.0/8/8"];
  for (const text of [...wrong, "10.0.0", "::/129", "10.0.0.1;10.0.0.2", "127.0.0.1, nonsense"]) {
    expect([text, mistakes({ FACTORY_TRUSTED_PROXIES: text })]).toEqual([
      text,
      [
        expect.stringMatching(
          /^FACTORY_TRUSTED_PROXIES must be a list of addresses or CIDR blocks/,
        ),
      ],
    ]);
  }
});

test("servers of a role of their own need what they share", () => {
  const attempt = (role: "api" | "runner") => () => loadConfig({}, "nowhere", role);
  expect(attempt("api")).toThrow("DATABASE_URL must be set for --role api");
  expect(attempt("runner")).toThrow("FACTORY_API_URL must be set for --role runner");
});

test("a token that no header can carry is refused", () => {
  expect(() => loadConfig({ FACTORY_TOKEN: "a token with spaces" }, "nowhere")).toThrow("no space");
});

test("every setting is taken", () => {
  const environment = {
    HOST: "localhost",
    PORT: "0",
    FACTORY_HOME: "some/home",
    DATABASE_URL: "postgresql://somebody@example.org/factory",
    FACTORY_TOKEN: "0123456789abcdef",
    FACTORY_REMOTE_TEMPLATE: "https://git.example.org/{owner}/{name}",
    FACTORY_GIT_PROTOCOLS: "https, file",
    FACTORY_MAX_WORKERS: "7",
    FACTORY_SYNC_MAX_AGE: "30",
    FACTORY_KILL_GRACE: "0",
    FACTORY_RETENTION_DAYS: "7",
    FACTORY_DISK_BUDGET: "20G",
    FACTORY_LEASE: "60",
    FACTORY_API_URL: "https://factory.example.org",
    FACTORY_AGENTS: "agents.json",
    FACTORY_LOG_LEVEL: "debug",
    FACTORY_INTROSPECTION: "off",
    GITHUB_URL: "https://github.example.org",
    GH_TOKEN: "a-github-token",
    GITLAB_TOKEN: "a-gitlab-token",
    OTHER: "for workers to be picked from",
  };
  expect(load(environment)).toMatchObject({
    role: "all",
    host: "localhost",
    port: 0,
    home: resolve("some/home"),
    databaseUrl: "postgresql://somebody@example.org/factory",
    token: "0123456789abcdef",
    remoteTemplate: "https://git.example.org/{owner}/{name}",
    gitProtocols: ["https", "file"],
    maxWorkers: 7,
    syncMaxAge: 30,
    killGrace: 0,
    retentionDays: 7,
    diskBudget: 20 * 1024 ** 3,
    leaseSeconds: 60,
    apiUrl: "https://factory.example.org",
    agentsFile: resolve("agents.json"),
    logLevel: "debug",
    introspection: false,
    issueHosts: [
      {
        kind: "github",
        url: "https://github.example.org",
        token: "a-github-token",
        tokenName: "GITHUB_TOKEN",
      },
      {
        kind: "gitlab",
        url: "https://gitlab.com",
        token: "a-gitlab-token",
        tokenName: "GITLAB_TOKEN",
      },
      { kind: "gitea", url: "https://codeberg.org", token: undefined, tokenName: "GITEA_TOKEN" },
    ],
    environment,
  });
});

test("all mistakes are reported together, a line each, which names the setting and what it may be", () => {
  const lines = mistakes({
    PORT: "70000",
    DATABASE_URL: "mysql://x",
    FACTORY_TOKEN: "short",
    FACTORY_REMOTE_TEMPLATE: "https://example.org/{owner}",
    FACTORY_GIT_PROTOCOLS: "https,ext",
    FACTORY_MAX_WORKERS: "0",
    FACTORY_SYNC_MAX_AGE: "-1",
    FACTORY_KILL_GRACE: "soon",
    FACTORY_RETENTION_DAYS: "0",
    FACTORY_DISK_BUDGET: "half",
    FACTORY_LOG_LEVEL: "loud",
    FACTORY_INTROSPECTION: "maybe",
  });
  expect(lines.toSorted()).toEqual(
    [
      "PORT must be a whole number from 0 to 65535",
      "DATABASE_URL must be a postgresql:// URL",
      "FACTORY_TOKEN must have 16 characters or more",
      "FACTORY_REMOTE_TEMPLATE must hold {owner} and {name}",
      "FACTORY_GIT_PROTOCOLS may be any of https, ssh, http, file",
      "FACTORY_MAX_WORKERS must be a whole number from 1 to 10000",
      "FACTORY_SYNC_MAX_AGE must be a whole number from 0 to 86400",
      "FACTORY_KILL_GRACE must be a whole number from 0 to 3600",
      "FACTORY_RETENTION_DAYS must be a whole number from 1 to 36500",
      "FACTORY_DISK_BUDGET must be a number of bytes, 1 or more, such as 500G (K, M, G and T are taken)",
      "FACTORY_LOG_LEVEL may be fatal, error, warn, info, debug, trace or silent",
      "FACTORY_INTROSPECTION may be on or off",
    ].toSorted(),
  );
});

describe("a host that other machines may reach", () => {
  test.each(["0.0.0.0", "::", "192.168.1.2", "factory.example.org"])("%s needs a token", (HOST) => {
    expect(mistakes({ HOST })).toEqual([expect.stringMatching(/^HOST is .*FACTORY_TOKEN/)]);
    expect(load({ HOST, FACTORY_TOKEN: "0123456789abcdef" }).host).toBe(HOST);
  });

  test("is told beside the other mistakes", () => {
    expect(mistakes({ HOST: "0.0.0.0", PORT: "x" })).toHaveLength(2);
  });

  test.each(["127.0.0.1", "::1", "localhost"])("%s isn't one", (HOST) => {
    expect(load({ HOST }).host).toBe(HOST);
  });
});

describe("numbers", () => {
  test.each(["1.5", "1e3", "0x10", " 5", "5 ", "+5", "-0", "９"])("%j is none", (PORT) => {
    expect(mistakes({ PORT })).toEqual(["PORT must be a whole number from 0 to 65535"]);
  });
});

describe("sizes", () => {
  test.each([
    ["1", 1],
    ["1500", 1500],
    ["2K", 2048],
    ["3M", 3 * 1024 ** 2],
    ["500G", 500 * 1024 ** 3],
    ["2T", 2 * 1024 ** 4],
  ])("%s are %d bytes", (FACTORY_DISK_BUDGET, bytes) => {
    expect(load({ FACTORY_DISK_BUDGET }).diskBudget).toBe(bytes);
  });

  test.each(["0", "0G", "-1", "1.5G", "1g", "1GB", "G", "1 G", "99999999T"])(
    "%j is none",
    (FACTORY_DISK_BUDGET) => {
      expect(mistakes({ FACTORY_DISK_BUDGET })).toEqual([
        expect.stringMatching(/^FACTORY_DISK_BUDGET must be a number of bytes/),
      ]);
    },
  );
});

describe("traces", () => {
  test("go to the endpoint of all telemetry, below it", () => {
    expect(
      load({
        OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318/",
        OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20x, x-tenant = a=b ,",
        OTEL_RESOURCE_ATTRIBUTES: "service.name=ours,team=core",
      }).traces,
    ).toEqual({
      url: "http://collector:4318/v1/traces",
      headers: { authorization: "Bearer x", "x-tenant": "a=b" },
      serviceName: "ours",
      attributes: { team: "core" },
    });
  });

  test("go where the settings for traces alone say, if there are any", () => {
    expect(
      load({
        OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318",
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "https://traces.example.org/in",
        OTEL_EXPORTER_OTLP_HEADERS: "a=1,b=1",
        OTEL_EXPORTER_OTLP_TRACES_HEADERS: "b=2",
        OTEL_SERVICE_NAME: "named",
        OTEL_RESOURCE_ATTRIBUTES: "service.name=ours",
      }).traces,
    ).toEqual({
      url: "https://traces.example.org/in",
      headers: { a: "1", b: "2" },
      serviceName: "named",
      attributes: {},
    });
  });

  test("go nowhere where OpenTelemetry is switched off", () => {
    const OTEL_EXPORTER_OTLP_ENDPOINT = "http://collector:4318";
    expect(load({ OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_SDK_DISABLED: "True" }).traces).toBeUndefined();
  });

  test.each(["a", "=1", "a=1,b", "a=%"])("%j are no headers", (OTEL_EXPORTER_OTLP_HEADERS) => {
    expect(mistakes({ OTEL_EXPORTER_OTLP_HEADERS })).toEqual([
      "OTEL_EXPORTER_OTLP_HEADERS must be a list of name=value, separated by commas, with other characters as %2C",
    ]);
  });
});

describe("the .env file", () => {
  test("is below the environment", async () => {
    await writeFile(
      join(folder, "settings"),
      "PORT=5000\nFACTORY_KILL_GRACE=3\nACME_KEY='a b # c'\n",
    );
    const config = load({ PORT: "6000" }, "settings");
    expect([config.port, config.killGrace]).toEqual([6000, 3]);
    expect(config.environment).toEqual({
      PORT: "6000",
      FACTORY_KILL_GRACE: "3",
      ACME_KEY: "a b # c",
    });
  });

  test("its mistakes count too", async () => {
    await writeFile(join(folder, "wrong"), "PORT=no\n");
    expect(() => load({}, "wrong")).toThrow("PORT must be a whole number");
  });
});

test("an empty setting is one that is left out", () => {
  const config = load({ PORT: "", DATABASE_URL: "", FACTORY_TOKEN: "", HOST: "" });
  expect(config).toMatchObject({
    port: 4000,
    databaseUrl: undefined,
    token: undefined,
    host: "127.0.0.1",
  });
});

describe("a secret in a file", () => {
  async function secret(name: string, text: string): Promise<string> {
    const file = join(folder, name);
    await writeFile(file, text);
    return file;
  }

  test("is taken without the line's end, and reaches no worker", async () => {
    const environment = {
      DATABASE_URL_FILE: await secret("url", "postgresql://somebody:secret@example.org/factory\n"),
      FACTORY_TOKEN_FILE: await secret("token", "0123456789abcdef\r\n"),
      GITHUB_TOKEN_FILE: await secret("github", "a-github-token"),
      HOST: "0.0.0.0",
    };
    const config = load(environment);
    expect(config).toMatchObject({
      databaseUrl: "postgresql://somebody:secret@example.org/factory",
      token: "0123456789abcdef",
      tokenFile: environment.FACTORY_TOKEN_FILE,
    });
    expect(config.issueHosts[0]?.token).toBe("a-github-token");
    expect(config.environment).toEqual(environment);
    expect(loadConfig(environment, "nowhere", "api").role).toBe("api");
    expect(loadClientConfig(environment).token).toBe("0123456789abcdef");
  });

  test("is checked as the setting is", async () => {
    const FACTORY_TOKEN_FILE = await secret("short", "short\n");
    expect(mistakes({ FACTORY_TOKEN_FILE })).toEqual([
      "FACTORY_TOKEN must have 16 characters or more",
    ]);
  });

  test("and in the setting too is refused, by the server and the command", async () => {
    const FACTORY_TOKEN_FILE = await secret("both", "0123456789abcdef");
    const environment = { FACTORY_TOKEN: "0123456789abcdef", FACTORY_TOKEN_FILE };
    const told = "FACTORY_TOKEN and FACTORY_TOKEN_FILE are both set: leave one of them out";
    expect(mistakes(environment)).toEqual([told]);
    expect(() => loadClientConfig(environment)).toThrow(told);
    expect(load({ ...environment, FACTORY_TOKEN: "" }).token).toBe("0123456789abcdef");
  });

  test.each([
    ["no file", () => Promise.resolve("nowhere"), /ENOENT/],
    ["a folder", () => Promise.resolve(folder), /no regular file/],
    ["a device without an end", () => Promise.resolve("/dev/zero"), /no regular file/],
    ["an empty file", () => secret("empty", "\n"), /it is empty/],
    ["a file without a bound", () => secret("large", "x".repeat(64 * 1024 + 1)), /64 KiB/],
  ])("is not %s", async (_what, make, told) => {
    const [mistake] = mistakes({ DATABASE_URL_FILE: await make() });
    expect(mistake).toMatch(/^DATABASE_URL_FILE names /);
    expect(mistake).toMatch(told);
  });
});
