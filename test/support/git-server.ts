// A git server over smart HTTP on loopback: node:http in front of `git http-backend` as CGI.
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { PassThrough, type Readable } from "node:stream";
import { promisify } from "node:util";

const execute = promisify(execFile);

export type Files = Readonly<Record<string, string>>;

export interface GitServer {
  /** host:port. */
  readonly host: string;
  /** Where the repositories are: `<owner>/<name>.git`, bare. */
  readonly folder: string;
  url(owner: string, name: string): string;
  /** Without `empty`, its default branch (main) gets one commit. Resolves with that commit's id. */
  createRepository(
    owner: string,
    name: string,
    options?: { files?: Files; defaultBranch?: string; empty?: boolean },
  ): Promise<string>;
  /** Adds a commit to a branch, which is made where needed, from the default branch. */
  pushCommit(
    owner: string,
    name: string,
    branch: string,
    files: Files,
    message?: string,
  ): Promise<string>;
  setDefaultBranch(owner: string, name: string, branch: string): Promise<void>;
  /** Runs git in the bare repository, for what the rest has no words for. */
  git(owner: string, name: string, ...commandLine: string[]): Promise<string>;
  requireAuth(
    owner: string,
    name: string,
    credentials: { username: string; password: string },
  ): void;
  /** Requests whose path and query match; all without a pattern. */
  requestCount(pattern?: RegExp): number;
  /**
   * Requests of that path are looked at only after `release` is called; with `answers`, they are looked at
   * when they come, and only their answers are kept back.
   */
  hold(
    pattern: RegExp,
    options?: { answers?: boolean },
  ): { arrived: Promise<unknown>; release(): void };
  stop(): Promise<void>;
}

/** Of an answer that is kept back; a longer one would never be whole. */
const mostHeldBytes = 1024 * 1024;

interface Hold {
  readonly pattern: RegExp;
  readonly answers: boolean;
  readonly arrive: () => void;
  readonly released: Promise<unknown>;
}

const identity = {
  GIT_AUTHOR_NAME: "Ada",
  GIT_AUTHOR_EMAIL: "ada@example.org",
  GIT_COMMITTER_NAME: "Ada",
  GIT_COMMITTER_EMAIL: "ada@example.org",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
};

export async function startGitServer(): Promise<GitServer> {
  const folder = await mkdtemp(join(tmpdir(), "factory-git-server-"));
  const work = await mkdtemp(join(tmpdir(), "factory-git-server-work-"));
  const passwords = new Map<string, string>();
  const seen: string[] = [];
  const children = new Set<ChildProcess>();
  const holds = new Set<Hold>();

  const environment = { PATH: process.env["PATH"] ?? "", HOME: work, ...identity };
  const bare = (owner: string, name: string) => join(folder, owner, `${name}.git`);
  const run = async (cwd: string, ...commandLine: string[]) => {
    const { stdout } = await execute("git", commandLine, { cwd, env: environment });
    return stdout.trim();
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = request.url ?? "/";
    seen.push(url);
    const holding = [...holds].filter(({ pattern }) => pattern.test(url));
    for (const hold of holding) {
      if (hold.answers) continue;
      hold.arrive();
      await hold.released;
    }
    // Whoever asked has left meanwhile: nothing would end the backend.
    if (response.destroyed) return;
    const [path = "", query = ""] = url.split("?");
    const repository = /^\/([^/]+\/[^/]+)\.git\//.exec(path)?.[1];
    const wanted = repository === undefined ? undefined : passwords.get(repository);
    if (wanted !== undefined && request.headers.authorization !== wanted) {
      request.resume();
      response.writeHead(401, { "www-authenticate": 'Basic realm="git"' }).end("no entry");
      return;
    }
    const backend = spawn("git", ["http-backend"], {
      env: {
        ...environment,
        GIT_PROJECT_ROOT: folder,
        GIT_HTTP_EXPORT_ALL: "1",
        REQUEST_METHOD: request.method ?? "GET",
        PATH_INFO: decodeURIComponent(path),
        QUERY_STRING: query,
        CONTENT_TYPE: request.headers["content-type"] ?? "",
        HTTP_CONTENT_ENCODING: request.headers["content-encoding"] ?? "",
        // Set by the HTTP server for CGI programs; git reads the protocol version from it.
        GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
        REMOTE_USER: "tester",
        REMOTE_ADDR: "127.0.0.1",
      },
      stdio: ["pipe", "pipe", "ignore"],
    });
    children.add(backend);
    backend.on("close", () => children.delete(backend));
    response.on("close", () => backend.kill());
    // A client that goes away ends both; there is nobody left to tell.
    backend.stdin.on("error", () => {});
    const answered = new Promise((resolve) => backend.once("close", resolve));
    // What a process that has ended had written is thrown away unless it is read.
    const output = backend.stdout.pipe(new PassThrough({ highWaterMark: mostHeldBytes }));
    request.pipe(backend.stdin);
    for (const hold of holding) {
      if (!hold.answers) continue;
      await answered;
      hold.arrive();
      await hold.released;
    }
    relay(output, response);
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : new Error(String(error)));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const host = `127.0.0.1:${String(address.port)}`;

  async function commit(
    owner: string,
    name: string,
    branch: string,
    files: Files,
    message: string,
  ): Promise<string> {
    const clone = await mkdtemp(join(work, "clone-"));
    const refs = await run(bare(owner, name), "for-each-ref", "--format=%(refname)", "refs/heads/");
    await run(work, "clone", "--quiet", bare(owner, name), clone);
    const heads = refs.split("\n");
    if (heads.includes(`refs/heads/${branch}`)) await run(clone, "checkout", "-q", branch);
    else if (refs === "") await run(clone, "symbolic-ref", "HEAD", `refs/heads/${branch}`);
    else await run(clone, "checkout", "-q", "-b", branch);
    for (const [path, content] of Object.entries(files)) {
      await mkdir(dirname(join(clone, path)), { recursive: true });
      await writeFile(join(clone, path), content);
    }
    await run(clone, "add", "--all");
    await run(clone, "commit", "--quiet", "--allow-empty", "-m", message);
    await run(clone, "push", "--quiet", "origin", `HEAD:refs/heads/${branch}`);
    const id = await run(clone, "rev-parse", "HEAD");
    await rm(clone, { recursive: true, force: true });
    return id;
  }

  return {
    host,
    folder,
    url: (owner, name) => `http://${host}/${owner}/${name}.git`,
    async createRepository(owner, name, { files, defaultBranch = "main", empty = false } = {}) {
      await mkdir(bare(owner, name), { recursive: true });
      await run(
        bare(owner, name),
        "init",
        "--quiet",
        "--bare",
        `--initial-branch=${defaultBranch}`,
      );
      // Anybody may push, as a worker does at a host that knows it.
      await run(bare(owner, name), "config", "http.receivepack", "true");
      if (empty) return "";
      return commit(owner, name, defaultBranch, files ?? { "README.md": "# test\n" }, "Begin");
    },
    pushCommit: (owner, name, branch, files, message = "Change") =>
      commit(owner, name, branch, files, message),
    async setDefaultBranch(owner, name, branch) {
      await run(bare(owner, name), "symbolic-ref", "HEAD", `refs/heads/${branch}`);
    },
    git: (owner, name, ...commandLine) => run(bare(owner, name), ...commandLine),
    requireAuth(owner, name, { username, password }) {
      const token = Buffer.from(`${username}:${password}`).toString("base64");
      passwords.set(`${owner}/${name}`, `Basic ${token}`);
    },
    requestCount: (pattern = /(?:)/) => seen.filter((url) => pattern.test(url)).length,
    hold(pattern, { answers = false } = {}) {
      const arrival = Promise.withResolvers<undefined>();
      const release = Promise.withResolvers<undefined>();
      const entry = {
        pattern,
        answers,
        arrive: () => {
          arrival.resolve(undefined);
        },
        released: release.promise,
      };
      holds.add(entry);
      return {
        arrived: arrival.promise,
        release() {
          holds.delete(entry);
          release.resolve(undefined);
        },
      };
    },
    async stop() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      for (const child of children) child.kill();
      await Promise.all(
        [...children].map((child) => new Promise((gone) => child.once("close", gone))),
      );
      await rm(folder, { recursive: true, force: true });
      await rm(work, { recursive: true, force: true });
    },
  };
}

/** CGI's answer: header lines, an empty line, the body (RFC 3875, section 6). */
function relay(output: Readable, response: ServerResponse): void {
  let head = Buffer.alloc(0);
  let started = false;
  output.on("data", (chunk: Buffer) => {
    if (started) {
      if (!response.write(chunk)) {
        output.pause();
        response.once("drain", () => output.resume());
      }
      return;
    }
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf("\r\n\r\n");
    if (end === -1) return;
    started = true;
    let status = 200;
    for (const line of head.subarray(0, end).toString("latin1").split("\r\n")) {
      const colon = line.indexOf(":");
      const [field, value] = [line.slice(0, colon), line.slice(colon + 1).trim()];
      if (field.toLowerCase() === "status") status = Number.parseInt(value, 10);
      else response.setHeader(field, value);
    }
    response.writeHead(status);
    response.write(head.subarray(end + 4));
  });
  output.on("end", () => response.end());
}
