// Names, branches and urls that mean harm: refused before anything is made, with words that help.
import {
  chmod,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  readlink,
  rm,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { codeOf as systemCodeOf } from "../../src/git/files.ts";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { takeInventory } from "../support/inventory.ts";
import {
  clone,
  cloned,
  codeOf,
  createWorktree,
  faultOf,
  inspectWorktree,
  sendClone,
  sendCreateWorktree,
  sendDeleteRepository,
  sendDeleteWorktree,
  sendReadWorktree,
  sendSync,
  untilRepository,
} from "../support/repositories.ts";
import { dispatchMutation } from "../support/workers.ts";

let git: GitServer;
let server: FactoryServer;
/** With the transports that are allowed unless somebody allows others. */
let strict: FactoryServer;
/** On the strict server's PATH, where it does as git does, and writes down that it was called. */
let watched: string;
const repository = { owner: "acme", name: "app" };

beforeAll(async () => {
  git = await startGitServer();
  watched = await mkdtemp(join(tmpdir(), "factory-watched-git-"));
  const bin = join(watched, "bin");
  await mkdir(bin);
  await writeFile(
    join(bin, "git"),
    `#!/bin/sh\necho "$@" >>'${watched}/calls'\nPATH=\${PATH#*:} exec git "$@"\n`,
  );
  await chmod(join(bin, "git"), 0o755);
  [server, strict] = await Promise.all([
    startFactory({ git, env: { FACTORY_LOG_LEVEL: "debug" } }),
    startFactory({
      env: {
        FACTORY_GIT_PROTOCOLS: "https,ssh",
        PATH: `${bin}:${process.env["PATH"] ?? ""}`,
      },
    }),
  ]);
  await cloned(server, git, repository);
  await git.pushCommit("acme", "app", "remote/one", { "one.txt": "1\n" });
  await createWorktree(server, { ...repository, branch: "feat" });
});

afterAll(async () => {
  await server.dispose();
  await strict.dispose();
  await git.stop();
  await rm(watched, { recursive: true });
});

const hostileBranches = {
  "an option": "-x",
  "a long option": "--upload-pack=sh",
  "the at sign, which is HEAD": "@",
  HEAD: "HEAD",
  "a full ref": "refs/heads/x",
  "refs itself": "refs",
  "a way up": "../x",
  "a way up inside": "a/../../x",
  "two dots": "a..b",
  "a hidden part": ".git/hooks",
  "a hidden part inside": "a/.git/config",
  "a lock file": "x.lock",
  "a lock file inside": "x.lock/y",
  nothing: "",
  "a space": " ",
  "300 characters": "x".repeat(300),
  "300 bytes": "ü".repeat(150),
  NUL: "a\0b",
  "a line break": "a\nb",
  "a carriage return": "a\rb",
  "a terminal escape": "a\u001b[31mb",
  "a reflog selector": "a@{1}",
  "an ancestor": "a~1",
  "a parent": "a^",
  "a path in a tree": "a:b",
  "a pattern": "a*",
  "a question mark": "a?",
  "a bracket": "a[b",
  "a backslash": "a\\b",
  "a slash in front": "/a",
  "a slash behind": "a/",
  "two slashes": "a//b",
  "a dot behind": "a.",
  "half of a surrogate pair": "a\ud83d",
  "a command": "$(touch x)",
} as const;

// "$(touch x)" is refused for its space alone; without one it is a lawful name, and no shell ever sees it.
const lawfulBranches = ["$(id)", "a;b", "a&b", "a'b", 'a"b', "a|b", "a%2Fb", "größe", "日本", "%s"];

describe("a hostile branch", () => {
  test.each(Object.entries(hostileBranches))(
    "that is %s is refused everywhere, and nothing is made",
    async (_what, branch) => {
      const before = await takeInventory(server);
      const requests = git.requestCount();
      const answers = [
        await sendCreateWorktree(server, { ...repository, branch }),
        await sendDeleteWorktree(server, {
          ...repository,
          branch,
          force: true,
          deleteBranch: true,
        }),
        await server.send(dispatchMutation, {
          input: { parentSession: "hostile", agent: "shell", task: "true", repository, branch },
        }),
      ];
      for (const answer of answers) {
        const fault = faultOf(answer);
        expect(fault.extensions.code).toBe("BAD_INPUT");
        expect(fault.message).toContain("branch");
        expect(fault.message).not.toContain("\u001b");
      }
      // As a base it may be HEAD's commit or a full ref, but nothing that git could read another way.
      if (!branch.startsWith("refs")) {
        const base = faultOf(
          await sendCreateWorktree(server, { ...repository, branch: "fine", base: branch }),
        );
        expect(base.extensions.code).toBe("BAD_INPUT");
        expect(base.message).toContain("base");
      }
      expect(await takeInventory(server)).toEqual(before);
      expect(git.requestCount()).toBe(requests);
    },
  );

  test("read as a name finds nothing, or is refused", async () => {
    for (const branch of Object.values(hostileBranches)) {
      const { data, errors = [] } = await sendReadWorktree(
        server,
        { ...repository, branch },
        "path",
      );
      if (errors.length > 0) expect(errors[0]?.extensions.code).toBe("BAD_INPUT");
      else expect(data.worktree).toBeNull();
    }
  });

  test.each(["feat/x", "Feat", "FEAT/y", "remote", "remote/one/two", "Remote/two", "MAIN"])(
    "%s beside one that git or a file system can't hold with it is a conflict",
    async (branch) => {
      const before = await takeInventory(server, { fetched: true });
      const fault = faultOf(await sendCreateWorktree(server, { ...repository, branch }));
      expect(fault.extensions.code).toBe("BRANCH_CONFLICT");
      expect(fault.message).toContain(branch);
      expect(await takeInventory(server, { fetched: true })).toEqual(before);
    },
  );

  test("may look like a command where its name is lawful, and does nothing", async () => {
    const made = await Promise.all(
      lawfulBranches.map((branch) => createWorktree(server, { ...repository, branch })),
    );
    expect(made.map(({ worktree }) => worktree.branch)).toEqual(lawfulBranches);
    expect(made.map(({ worktree }) => worktree.path)).toEqual(
      lawfulBranches.map((branch) => join(server.home, "worktrees", "acme", "app", branch)),
    );
    for (const branch of lawfulBranches) {
      const live = await inspectWorktree(server, { ...repository, branch });
      expect(live).toMatchObject({ changedFiles: 0, commitsAhead: 0 });
    }
    const { deleteWorktree: gone } = await server.query<{ deleteWorktree: { branch: string } }>(
      `mutation ($input: DeleteWorktreeInput!) { deleteWorktree(input: $input) { branch } }`,
      { input: { ...repository, branch: "$(id)", deleteBranch: true } },
    );
    expect(gone.branch).toBe("$(id)");
  });

  test("of the longest length can be used", async () => {
    // 244 bytes: with .lock behind it, a file's name may have 255 (NAME_MAX).
    for (const branch of ["l".repeat(244), `${"d".repeat(120)}/${"e".repeat(123)}`]) {
      const { worktree } = await createWorktree(server, { ...repository, branch });
      expect(worktree.status).toBe("READY");
    }
    expect(
      codeOf(await sendCreateWorktree(server, { ...repository, branch: "m".repeat(245) })),
    ).toBe("BAD_INPUT");
  });
});

const hostileSegments = [
  "..",
  ".",
  ".git",
  "x.git",
  "x.GIT",
  "x.lock",
  "a/b",
  "/a",
  "a/",
  "-x",
  "--help",
  "",
  " ",
  "a b",
  "a\0b",
  "a\nb",
  "a\u001bb",
  "a:b",
  "a\\b",
  "a%2Fb",
  "~",
  "größe",
  "x".repeat(101),
  "\ud83d",
  "{owner}",
  "$(id)",
];

describe("a hostile owner or name", () => {
  test.each(hostileSegments)("%j is refused everywhere, and nothing is made", async (text) => {
    const before = await takeInventory(server);
    const requests = git.requestCount();
    for (const field of ["owner", "name"] as const) {
      const name = { ...repository, [field]: text };
      const answers = [
        await sendClone(server, name),
        await sendClone(server, { ...name, url: git.url("acme", "app") }),
        await sendSync(server, name),
        await sendDeleteRepository(server, { ...name, force: true }),
        await sendCreateWorktree(server, { ...name, branch: "topic" }),
        await sendDeleteWorktree(server, { ...name, branch: "topic", force: true }),
        await server.send(
          `query ($owner: String!, $name: String!) {
          repository(owner: $owner, name: $name) { id }
        }`,
          name,
        ),
        await sendReadWorktree(server, { ...name, branch: "feat" }, "id"),
        await server.send(dispatchMutation, {
          input: { parentSession: "hostile", agent: "shell", task: "true", repository: name },
        }),
      ];
      for (const answer of answers) {
        const fault = faultOf(answer);
        expect(fault.extensions.code).toBe("BAD_INPUT");
        expect(fault.message).toContain(field);
        expect(fault.message).not.toContain("\u001b");
      }
    }
    expect(await takeInventory(server)).toEqual(before);
    expect(git.requestCount()).toBe(requests);
  });
});

/** What the strict server's git was called with so far. */
async function readCalls(): Promise<string> {
  try {
    return await readFile(join(watched, "calls"), "utf8");
  } catch (error) {
    if (systemCodeOf(error) === "ENOENT") return "";
    throw error;
  }
}

describe("a hostile url", () => {
  test.each([
    "ext::sh -c 'touch pwned'",
    "ext::sh%20-c%20touch%20pwned",
    "fd::17",
    "transport::address",
    "file:///etc",
    "file://localhost/etc",
    "/etc",
    "../app",
    "./app",
    "http://example.org/acme/app.git",
    "git://example.org/acme/app.git",
    "ftp://example.org/acme/app.git",
    "HTTP://example.org/acme/app.git",
    "--upload-pack=touch pwned",
    "--upload-pack=touch${IFS}pwned",
    "-u./pwned",
    "-oProxyCommand=touch:pwned",
    "ssh://-oProxyCommand=touch${IFS}pwned/x",
    "ssh://-oProxyCommand=touch/x.git",
    "ssh://git@-oProxyCommand=touch/x.git",
    "-oProxyCommand=touch@example.org:x.git",
    "git@-oProxyCommand=touch:x.git",
    "git@example.org:-oProxyCommand=touch",
    "git@example.org:--upload-pack=touch",
    "ssh://git@example.org/$(touch pwned)",
    "ssh://git@example.org/`touch`",
    "ssh://git@example.org/%24(touch)",
    "ssh://git@example.org/a%0ab",
    "ssh://%2DoProxyCommand=touch/x.git",
    "https://example.org/a%0ab.git",
    "https://example.org/a%zz.git",
    "git@example.org:a;touch",
    "https://example.org/acme/app.git\nhttps://example.org/x",
    "https://example.org/a\r\nHost: evil/app.git",
    "https://example.org/a\0b.git",
    "https://example.org/a b.git",
    "https://user%0apassword:x@example.org/a.git",
    "https://",
    "https:///x",
    "https://example.org",
    "https://exa$mple.org/a/b.git",
    "https://example.org/a/b.git?upload-pack=x",
    "https://example.org/a/b.git#x",
    "",
    " ",
    `https://example.org/${"x".repeat(3000)}`,
  ])("%j is refused before git runs", async (url) => {
    const before = await takeInventory(strict);
    const calls = await readCalls();
    const fault = faultOf(await sendClone(strict, { owner: "acme", name: "hostile", url }));
    expect(fault.extensions.code).toBe("BAD_INPUT");
    expect(fault.message).toContain("url");
    expect(await takeInventory(strict)).toEqual(before);
    expect(await readCalls()).toBe(calls);
  });

  test("that is lawful gets as far as git, which shows that the watch works", async () => {
    const calls = await readCalls();
    await clone(strict, { ...repository, url: `https://${git.host}/acme/app.git` });
    // The git server speaks no TLS.
    const failed = await untilRepository(strict, repository, "FAILED");
    expect(failed.failureCode).toBe("REMOTE_UNREACHABLE");
    expect((await readCalls()).slice(calls.length)).toContain("ls-remote");
  });
});

/** Puts a tree of the entries, whatever they are, on a new branch of the bare repository. */
async function pushTree(
  name: string,
  branch: string,
  entries: readonly (readonly [mode: string, path: string, content: string])[],
): Promise<void> {
  const run = (...commandLine: string[]) => git.git("acme", name, ...commandLine);
  const folder = await mkdtemp(join(tmpdir(), "factory-tree-"));
  await run("read-tree", "--empty");
  for (const [mode, path, content] of entries) {
    await writeFile(join(folder, "content"), content);
    const id =
      mode === "160000" ? content : await run("hash-object", "-w", join(folder, "content"));
    await run("update-index", "--add", "--cacheinfo", `${mode},${id},${path}`);
  }
  const commit = await run("commit-tree", "-m", "Hostile", await run("write-tree"));
  await run("update-ref", `refs/heads/${branch}`, commit);
  await rm(folder, { recursive: true });
}

describe("a hostile repository", () => {
  test("with hooks, submodules and links runs nothing and writes nothing outside", async () => {
    const hostile = { owner: "acme", name: "hostile" };
    const outside = await mkdtemp(join(tmpdir(), "factory-outside-"));
    const pwned = join(outside, "pwned");
    const hook = `#!/bin/sh\ntouch '${pwned}'\n`;
    const commit = await git.createRepository("acme", "hostile");
    await pushTree("hostile", "main", [
      ["100644", "README.md", "# hostile\n"],
      // What a hook, an attribute or a configuration would have to be named.
      ["100755", "hooks/post-checkout", hook],
      ["100755", "post-checkout", hook],
      ["100755", ".githooks/post-checkout", hook],
      ["100644", "config", `[core]\n\thooksPath = hooks\n\tfsmonitor = ./post-checkout\n`],
      ["100644", ".gitattributes", "* filter=evil diff=evil\n*.txt text ident\n"],
      ["100644", ".gitconfig", `[filter "evil"]\n\tsmudge = touch '${pwned}'\n`],
      [
        "100644",
        ".gitmodules",
        [
          '[submodule "one"]\n\tpath = one',
          `\turl = ext::sh -c touch%20${pwned}\n\tupdate = !touch '${pwned}'`,
          `[submodule "../../hooks"]\n\tpath = two\n\turl = --upload-pack=touch '${pwned}'\n`,
        ].join("\n"),
      ],
      ["160000", "one", commit],
      ["160000", "two", commit],
      ["120000", "absolute", outside],
      ["120000", "up", "../../../../../../../../../.."],
      ["120000", "hooks-link", ".git/hooks"],
      ["120000", "self", "self"],
    ]);
    await clone(server, hostile);
    await untilRepository(server, hostile, "SYNCED");
    const { worktree } = await createWorktree(server, { ...hostile, branch: "topic" });
    expect(worktree.status).toBe("READY");
    const live = await inspectWorktree(server, { ...hostile, branch: "topic" });
    expect(live).toMatchObject({ changedFiles: 0, commitsAhead: 0 });
    // Links are made as they are, and nothing was followed through them.
    expect(await readlink(join(worktree.path, "absolute"))).toBe(outside);
    expect(await readdir(join(worktree.path, "one"))).toEqual([]);
    await sendSync(server, hostile);
    await sendDeleteWorktree(server, { ...hostile, branch: "topic", deleteBranch: true });
    expect(await readdir(outside)).toEqual([]);
    await sendDeleteRepository(server, hostile);
    await rm(outside, { recursive: true });
  });

  test("whose tree leads out of its folder writes nothing there", async () => {
    const outside = await mkdtemp(join(tmpdir(), "factory-outside-"));
    const hostile = { owner: "acme", name: "escaping" };
    await git.createRepository("acme", "escaping");
    const file = await storeObject("blob", Buffer.from(`#!/bin/sh\ntouch '${outside}/pwned'\n`));
    const link = await storeObject("blob", Buffer.from(outside));
    const hook = await storeTree([["100755", "post-checkout", file]]);
    const hooks = await storeTree([["40000", "hooks", hook]]);
    const trees = {
      // A link, and below the same name a folder: followed, its file would be outside.
      door: await storeTree([
        ["120000", "door", link],
        ["40000", "door", hook],
      ]),
      git: await storeTree([["40000", ".git", hooks]]),
      folded: await storeTree([["40000", ".GIT", hooks]]),
      up: await storeTree([["40000", "..", hook]]),
      slash: await storeTree([["100755", "../post-checkout", file]]),
      absolute: await storeTree([["100755", `${outside}/pwned`, file]]),
    };
    for (const [branch, tree] of Object.entries(trees)) {
      const commit = await git.git("acme", "escaping", "commit-tree", "-m", branch, tree);
      await git.git("acme", "escaping", "update-ref", `refs/heads/evil/${branch}`, commit);
    }
    await clone(server, hostile);
    await untilRepository(server, hostile, "SYNCED");
    const folder = join(server.home, "worktrees", "acme", "escaping");
    for (const branch of Object.keys(trees)) {
      const answer = await sendCreateWorktree(server, {
        ...hostile,
        branch: `topic/${branch}`,
        base: `evil/${branch}`,
      });
      // The link is made, and what git would have to follow it for is left out.
      if (branch !== "door") {
        const fault = faultOf(answer);
        expect(fault.extensions.code).toBe("HOST_FAILURE");
        expect(fault.message).toContain("invalid path");
      }
      expect(await readdir(outside)).toEqual([]);
      // Beside worktrees there is nothing.
      const beside = await readdir(join(folder, "topic"));
      expect(beside.filter((entry) => !(entry in trees))).toEqual([]);
      expect((await readdir(folder)).filter((entry) => entry !== "topic")).toEqual([]);
    }
    const { files } = await takeInventory(server);
    expect(files.filter((path) => path.endsWith("hooks/post-checkout"))).toEqual([]);
    await rm(outside, { recursive: true });
  });
});

/** Whatever it says: git's own commands would refuse to make some of these. */
async function storeObject(type: "blob" | "tree", content: Buffer): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "factory-object-"));
  await writeFile(join(folder, "content"), content);
  const id = await git.git(
    "acme",
    "escaping",
    "hash-object",
    "-t",
    type,
    "-w",
    "--literally",
    join(folder, "content"),
  );
  await rm(folder, { recursive: true });
  return id;
}

/** A tree object is a line for each entry: mode, name, NUL, and the id in binary. */
function storeTree(entries: readonly (readonly [mode: string, name: string, id: string])[]) {
  return storeObject(
    "tree",
    Buffer.concat(
      entries.flatMap(([mode, name, id]) => [
        Buffer.from(`${mode} ${name}\0`),
        Buffer.from(id, "hex"),
      ]),
    ),
  );
}
