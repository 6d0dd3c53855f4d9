// Hosts that workers reach without anybody having to say so: where their agent's model is, and where packages are.
import { normalizeHost, type HostPattern } from "../../network-rules.ts";

/** Of the built-in agents. An agent that isn't here brings its hosts by FACTORY_NETWORK or by a variable. */
const providers: Readonly<Record<string, readonly string[]>> = {
  claude: ["api.anthropic.com", "console.anthropic.com", "platform.claude.com", "claude.ai"],
  codex: ["api.openai.com", "auth.openai.com", "chatgpt.com"],
  gemini: [
    "generativelanguage.googleapis.com",
    "cloudcode-pa.googleapis.com",
    "aiplatform.googleapis.com",
    "oauth2.googleapis.com",
  ],
  opencode: [
    "opencode.ai",
    "models.dev",
    "api.anthropic.com",
    "api.openai.com",
    "generativelanguage.googleapis.com",
    "openrouter.ai",
  ],
};

/** What the package managers of the common languages read from by default. */
const registries: readonly string[] = [
  // npm, yarn
  "registry.npmjs.org",
  "registry.yarnpkg.com",
  // pip
  "pypi.org",
  "files.pythonhosted.org",
  // cargo
  "index.crates.io",
  "static.crates.io",
  "crates.io",
  // go
  "proxy.golang.org",
  "sum.golang.org",
  // gem
  "rubygems.org",
  "index.rubygems.org",
  // Maven, Gradle
  "repo.maven.apache.org",
  "repo1.maven.org",
  "plugins.gradle.org",
  "services.gradle.org",
  // NuGet
  "api.nuget.org",
  // Composer
  "repo.packagist.org",
];

/** `agent` is its name; only at addresses of the internet, see `NetworkPolicy`. */
export function builtInHosts(agent: string): HostPattern[] {
  return [...(providers[agent] ?? []), ...registries].map((host) => ({
    host,
    isWildcard: false,
    port: undefined,
  }));
}

/** Of agents that go on trying without end, and without a word, where their model's host is refused. */
const modelHosts: Readonly<Record<string, readonly string[]>> = {
  codex: ["api.openai.com"],
  gemini: [
    "generativelanguage.googleapis.com",
    "cloudcode-pa.googleapis.com",
    "aiplatform.googleapis.com",
  ],
};

/** Whether the agent of that name can do nothing without the host, and doesn't end by itself where it is refused. */
export function needsHost(agent: string, host: string): boolean {
  return modelHosts[agent]?.includes(host) ?? false;
}

/**
 * Hosts that the operator has named for an agent by its variables (ANTHROPIC_BASE_URL, HTTPS_ENDPOINT and the like), in
 * a url, wherever they are.
 */
export function hostsOfVariables(environment: Readonly<Record<string, string>>): HostPattern[] {
  return Object.entries(environment).flatMap(([name, value]) => {
    if (!/_(BASE_URL|API_BASE|ENDPOINT)$/.test(name)) return [];
    const url = URL.parse(value);
    if (url === null || !/^https?:$/.test(url.protocol)) return [];
    const host = normalizeHost(url.hostname);
    if (host === undefined) return [];
    const port = Number(url.port || (url.protocol === "http:" ? 80 : 443));
    return [{ host, isWildcard: false, port }];
  });
}
