import { describe, expect, test } from "@jest/globals";
import { buildWorkerEnvironment } from "../../../src/agents/environment.ts";
import { createAgentRegistry } from "../../../src/agents/registry.ts";

const serverEnvironment = {
  PATH: "/usr/local/bin:/usr/bin",
  HOME: "/home/somebody",
  USER: "somebody",
  SHELL: "/bin/zsh",
  LANG: "C.UTF-8",
  LC_ALL: "C",
  LC_TIME: "de_DE",
  TERM: "xterm",
  TZ: "Europe/Berlin",
  TMPDIR: "/tmp/of-the-server",
  ANTHROPIC_API_KEY: "key of claude",
  OPENAI_API_KEY: "key of codex",
  GEMINI_API_KEY: "key of gemini",
  DATABASE_URL: "postgresql://secret",
  FACTORY_TOKEN: "token of the operator",
  FACTORY_HOME: "/var/lib/factory",
  AWS_SECRET_ACCESS_KEY: "secret",
  SSH_AUTH_SOCK: "/run/agent",
  NODE_OPTIONS: "--require /evil.js",
  BASH_ENV: "/evil.sh",
  LD_PRELOAD: "/evil.so",
};

function build(
  name: string,
  options: { isRoot?: boolean; source?: object; start?: Record<string, string> } = {},
) {
  const registry = createAgentRegistry({
    file: undefined,
    path: "",
    isRoot: options.isRoot ?? false,
  });
  return buildWorkerEnvironment({
    source: { ...serverEnvironment, ...options.source },
    agent: registry.get(name),
    start: options.start,
    factory: { FACTORY_TOKEN: "token of the worker", FACTORY_WORKER: "worker-1" },
    binFolder: "/factory/bin",
    tmpFolder: "/session/tmp",
  });
}

test("every agent gets the proxies and certificates that the server was given", () => {
  const source = {
    http_proxy: "http://proxy:1",
    HTTPS_PROXY: "http://ada:pass@proxy:2",
    ALL_PROXY: "socks5h://proxy:3",
    no_proxy: "localhost",
    NO_PROXY: "localhost",
    GIT_SSL_CAINFO: "/ca.pem",
    SSL_CERT_FILE: "/ca.pem",
    NODE_EXTRA_CA_CERTS: "/ca.pem",
  };
  for (const name of ["shell", "claude", "codex"]) {
    expect(build(name, { source })).toMatchObject(source);
  }
});

const common = {
  PATH: "/factory/bin:/usr/local/bin:/usr/bin",
  HOME: "/home/somebody",
  USER: "somebody",
  SHELL: "/bin/zsh",
  LANG: "C.UTF-8",
  LC_ALL: "C",
  LC_TIME: "de_DE",
  TERM: "xterm",
  TZ: "Europe/Berlin",
  TMPDIR: "/session/tmp",
  FACTORY_TOKEN: "token of the worker",
  FACTORY_WORKER: "worker-1",
};

describe("a worker's environment", () => {
  test("of the agent shell holds what is common and no more", () => {
    expect(build("shell")).toEqual(common);
  });

  test("holds the keys of its own agent and of no other", () => {
    expect(build("claude")).toEqual({
      ...common,
      ANTHROPIC_API_KEY: "key of claude",
      DISABLE_AUTOUPDATER: "1",
    });
    expect(build("codex")).toEqual({ ...common, OPENAI_API_KEY: "key of codex" });
    expect(build("gemini")).toEqual({
      ...common,
      GEMINI_API_KEY: "key of gemini",
      GEMINI_CLI_TRUST_WORKSPACE: "true",
      GEMINI_CLI_NO_RELAUNCH: "true",
    });
  });

  test("sets what the agent's start needs, whatever the server's environment says", () => {
    const environment = build("opencode", {
      source: { OPENCODE_CONFIG_CONTENT: "the user's" },
      start: { OPENCODE_CONFIG_CONTENT: "the user's, and more" },
    });

    expect(environment["OPENCODE_CONFIG_CONTENT"]).toBe("the user's, and more");
  });

  test("tells claude that it is contained as root alone", () => {
    expect(build("claude", { isRoot: true })["IS_SANDBOX"]).toBe("1");
    expect(build("claude")["IS_SANDBOX"]).toBeUndefined();
  });

  test("leaves out what is unset or empty", () => {
    const environment = build("claude", {
      source: { ANTHROPIC_API_KEY: "", TERM: undefined, LC_ALL: "" },
    });

    expect(Object.keys(environment)).not.toContain("ANTHROPIC_API_KEY");
    expect(Object.keys(environment)).not.toContain("TERM");
    expect(Object.keys(environment)).not.toContain("LC_ALL");
  });

  test("has none of the folders that npm puts before the PATH", () => {
    const npm =
      "/opt/factory/node_modules/.bin:/opt/node_modules/.bin:/tmp/node_modules/.bin:/node_modules/.bin:/usr/lib/node_modules/npm/node_modules/@npmcli/run-script/lib/node-gyp-bin";
    const own = "/usr/local/bin:/home/me/tools/node_modules/.bin:/usr/bin";
    for (const name of ["npm_execpath", "npm_lifecycle_event", "npm_config_user_agent"]) {
      expect(build("shell", { source: { PATH: `${npm}:${own}`, [name]: "npm" } })["PATH"]).toBe(
        `/factory/bin:${own}`,
      );
    }
    // Somebody's own choice.
    expect(build("shell", { source: { PATH: `/my/node_modules/.bin:${own}` } })["PATH"]).toBe(
      `/factory/bin:/my/node_modules/.bin:${own}`,
    );
  });

  test("has no relative folder in its PATH, as that would be the worktree's", () => {
    expect(build("shell", { source: { PATH: ":.:bin:/usr/bin:" } })["PATH"]).toBe(
      "/factory/bin:/usr/bin",
    );
    expect(build("shell", { source: { PATH: undefined } })["PATH"]).toBe("/factory/bin");
  });
});
