// The package as npm makes and installs it: in an empty folder, with nothing of this checkout.
import { execFile, spawn } from "node:child_process";
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { eventually } from "../support/workers.ts";

const root = join(import.meta.dirname, "..", "..");
const run = promisify(execFile);
/** Packing builds, and installing asks a registry. */
const setUpTimeoutMs = 300_000;

interface Session {
  readonly status: string;
  readonly summary: string | null;
}

let folder: string;
let git: GitServer;
/** What the tarball holds. */
let files: readonly string[];
/** Where it was installed. */
let app: string;
/** As a user has it: with a Node.js, npm, and nothing else of ours. */
const environment = () => ({
  PATH: [dirname(process.execPath), "/usr/local/bin", "/usr/bin", "/bin"].join(delimiter),
  HOME: process.env["HOME"] ?? folder,
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) => /^npm_config_/i.test(name) && isOutside(name)),
  ),
});

/** Not what npm sets for those that it runs. */
function isOutside(name: string): boolean {
  return /registry|cache|proxy|userconfig|cafile/i.test(name);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "factory-package-"));
  // Where this is root, the embedded Postgres runs as another user, who must get through.
  await chmod(folder, 0o711);
  git = await startGitServer();
  await git.createRepository("acme", "app");
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", folder], {
    cwd: root,
    env: process.env,
    maxBuffer: 64 * 1024 * 1024,
  });
  // What its scripts print stands before it.
  const [packed] = JSON.parse(stdout.slice(stdout.search(/^\[$/m))) as [
    { filename: string; files: { path: string }[] },
  ];
  files = packed.files.map(({ path }) => path);
  app = join(folder, "app");
  await mkdir(app);
  await writeFile(join(app, "package.json"), JSON.stringify({ private: true, type: "module" }));
  await run("npm", ["install", "--prefer-offline", "--no-audit", join(folder, packed.filename)], {
    cwd: app,
    env: environment(),
  });
}, setUpTimeoutMs);

afterAll(async () => {
  await git.stop();
  await rm(folder, { recursive: true, force: true });
});

test("it holds what was built, migrations, the monitor and types, and no sources or tests", async () => {
  const migrations = await readdir(join(root, "prisma", "migrations"));
  expect(files).toEqual(
    expect.arrayContaining([
      "bin/factory.js",
      "dist/main.js",
      "dist/server/server.d.ts",
      "dist/git/limited.sh",
      "dist/process/shim.sh",
      "dist/sandbox/canary.pl",
      "dist/sandbox/inside.pl",
      "dist/generated/prisma/client.js",
      "dist/monitor/index.html",
      "schema.graphql",
      "README.md",
      "LICENSE",
      ...migrations.map((name) => `prisma/migrations/${name}/migration.sql`),
    ]),
  );
  const foreign = /^(src|test|bench|build|deploy|coverage|node_modules)\/|(?<!\.d)\.ts$|\.env/;
  expect(files.filter((file) => foreign.test(file))).toEqual([]);
});

test("its command keeps V8's young generation small", async () => {
  const command = await readFile(join(app, "node_modules", ".bin", "factory"), "utf8");
  expect(command.split("\n")[0]).toBe("#!/usr/bin/env -S node --max-semi-space-size=8");
});

test("what only this checkout needs is not installed with it", async () => {
  const installed = new Set(await readdir(join(app, "node_modules")));
  for (const name of ["prisma", "typescript", "jest", "node", "react", "vite"]) {
    expect([name, installed.has(name)]).toEqual([name, false]);
  }
});

test("npx factory serve starts from there, with its own Postgres, and a dispatch runs", async () => {
  const home = join(folder, "home");
  const server = spawn("npx", ["factory", "serve"], {
    cwd: app,
    env: {
      ...environment(),
      PORT: "0",
      FACTORY_HOME: home,
      FACTORY_GIT_PROTOCOLS: "http",
      FACTORY_REMOTE_TEMPLATE: `http://${git.host}/{owner}/{name}.git`,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const errors: string[] = [];
  createInterface(server.stderr).on("line", (line) => errors.push(line));
  try {
    let pid = 0;
    let url = "";
    createInterface(server.stdout).on("line", (line) => {
      if (!line.startsWith("{")) return;
      const entry = JSON.parse(line) as { pid: number; url?: string };
      ({ pid } = entry);
      url = entry.url ?? url;
    });
    await eventually(() => url !== "" || server.exitCode !== null);
    if (url === "") throw new Error(`the server did not start: ${errors.join("\n")}`);
    const token = (await readFile(join(home, "token"), "utf8")).trim();
    const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
    const ask = async (query: string) => {
      const body = JSON.stringify({ query });
      const response = await fetch(`${url}/graphql`, { method: "POST", headers, body });
      return (await response.json()) as { data: { workerSession: Session } };
    };
    // The command on the worker's PATH is the package's own.
    await ask(`mutation { dispatchWorker(input: { parentSession: "me", agent: "shell",
      task: "factory report done", repository: { owner: "acme", name: "app" } }) { created } }`);
    let session: Session | undefined;
    await eventually(async () => {
      const { data } = await ask(`{ workerSession(id: "worker-1") { status summary } }`);
      session = data.workerSession;
      return (
        session.status !== "QUEUED" && session.status !== "PREPARING" && session.summary !== null
      );
    });
    expect(session).toEqual({
      status: expect.stringMatching(/RUNNING|SUCCEEDED/),
      summary: "done",
    });
    const page = await fetch(`${url}/`, { headers: { ...headers, accept: "text/html" } });
    expect(await page.text()).toContain("<title>Factory</title>");
    for (const path of ["/api/factory/repos", "/api/openapi.json", "/api/page/swagger-ui.css"]) {
      expect([path, (await fetch(`${url}${path}`, { headers })).status]).toEqual([path, 200]);
    }

    process.kill(pid, "SIGTERM");
    await eventually(() => server.exitCode !== null);
  } finally {
    server.kill("SIGKILL");
  }
}, 120_000);

test("its types can be used from TypeScript", async () => {
  await writeFile(
    join(app, "use.ts"),
    `import { startServer, type RunningServer } from "factory";
     import { loadConfig } from "factory/config";
     import { createLogger } from "factory/log";
     const server: RunningServer = await startServer(loadConfig(), await createLogger("info"));
     const url: string = server.url;
     await server.stop();
     console.log(url);`,
  );
  await cp(join(root, "node_modules", "@types"), join(app, "node_modules", "@types"), {
    recursive: true,
  });
  await run(
    process.execPath,
    [
      join(root, "node_modules", "typescript", "bin", "tsc"),
      ...["--noEmit", "--strict", "--skipLibCheck", "--types", "node"],
      ...["--target", "es2024", "--module", "nodenext", "use.ts"],
    ],
    { cwd: app },
  );
}, 60_000);

test("in a checkout npx factory runs the sources, whatever was built", async () => {
  const checkout = join(folder, "checkout");
  await mkdir(join(checkout, "dist"), { recursive: true });
  await mkdir(join(checkout, "src"));
  await cp(join(root, "bin"), join(checkout, "bin"), { recursive: true });
  await writeFile(join(checkout, "package.json"), JSON.stringify({ type: "module" }));
  await writeFile(join(checkout, "dist", "main.js"), 'console.log("built");');
  await writeFile(join(checkout, "src", "main.ts"), 'console.log("source" satisfies string);');
  const command = join(checkout, "bin", "factory.js");
  expect((await run(process.execPath, [command])).stdout).toBe("source\n");
  await rm(join(checkout, "src"), { recursive: true });
  expect((await run(process.execPath, [command])).stdout).toBe("built\n");
});
