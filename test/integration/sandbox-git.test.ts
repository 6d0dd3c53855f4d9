// git of a worker in a sandbox: it reaches its repository's remote by Factory, and holds nothing that opens it.
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { clone, untilRepository } from "../support/repositories.ts";
import { describeSandbox } from "../support/sandbox.ts";
import { dispatch, eventually, untilEnded, type Ended } from "../support/workers.ts";

const username = "ada";
const password = "correct-horse-battery";

describeSandbox("git of a worker in a sandbox", () => {
  let git: GitServer;
  let server: FactoryServer;
  const repository = { owner: "acme", name: "private" };

  beforeAll(async () => {
    git = await startGitServer();
    server = await startFactory({ git, env: { FACTORY_SANDBOX: "required" } });
    await git.createRepository("acme", "private", { files: { "README.md": "# private\n" } });
    await git.createRepository("acme", "private-other");
    git.requireAuth("acme", "private", { username, password });
    const hook = join(git.folder, "acme/private.git/hooks/pre-receive");
    await writeFile(
      hook,
      `#!/bin/sh\nread -r old new ref\n[ "$(git log -1 --format=%s $new)" != refused ] || { echo no lover of this commit; exit 1; }\n`,
    );
    await chmod(hook, 0o755);
    const url = git.url("acme", "private").replace("://", `://${username}:${password}@`);
    await clone(server, { ...repository, url });
    await untilRepository(server, repository, "SYNCED");
  });

  afterAll(async () => {
    await server.dispose();
    await git.stop();
  });

  async function run(task: string, more: object = {}): Promise<Ended> {
    const { id } = await dispatch(server, { parentSession: "lead", repository, task, ...more });
    return untilEnded(server, id);
  }

  test("fetches what the remote has got meanwhile, without a byte of credentials", async () => {
    const { id } = await dispatch(server, {
      parentSession: "lead",
      repository,
      branch: "fetches",
      task: `until git fetch -q && git rev-parse -q --verify origin/later; do sleep 0.2; done; git config remote.origin.url; git ls-remote --heads origin | cut -f2; env; git config --list; cat /etc/gitconfig`,
    });
    const commit = await git.pushCommit("acme", "private", "later", { later: "later\n" });
    const { stdout, stderr } = await untilEnded(server, id);
    expect(stderr).toBe("");
    const [first, remote, ...rest] = stdout.split("\n");
    expect([first, remote]).toEqual([commit, git.url("acme", "private")]);
    expect(rest.slice(0, 2)).toEqual(["refs/heads/later", "refs/heads/main"]);
    expect(stdout).not.toMatch(new RegExp(`${password}|${btoa(`${username}:${password}`)}`));
  });

  test.each([
    ["the first version of the protocol", "-c protocol.version=0", "{url}"],
    ["the second one", "-c protocol.version=2", "{url}"],
    ["a part of its history", "", "--depth 1 {url}"],
    ["what it needs of the files", "", "--filter=blob:none {url}"],
    ["its address with a final slash", "", "{bare}/"],
  ])("clones the repository anew, whole: %s", async (_, options, from) => {
    const url = git.url("acme", "private");
    const source = from.replace("{url}", url).replace("{bare}", url.replace(/\.git$/, ""));
    const { stdout, stderr } = await run(
      `git ${options} clone -q ${source} "$TMPDIR/copy" && cd "$TMPDIR/copy" && git fsck --connectivity-only --no-dangling && cat README.md`,
    );
    expect({ stdout, stderr }).toEqual({ stdout: "# private\n", stderr: "" });
  });

  test("reaches no other repository of that host, also not one whose address begins alike", async () => {
    const other = git.url("acme", "private-other");
    const { stdout } = await run(
      `git ls-remote ${other} 2>&1; git ls-remote ${other.replace("-other", "/../private-other")} 2>&1; curl -s -m 20 http://127.0.0.1:17901/git/acme/private-other.git/info/refs?service=git-upload-pack; curl -s -m 20 http://127.0.0.1:17901/`,
    );
    expect(stdout).not.toMatch(/refs\/heads/);
    expect(stdout).toContain("Factory serves nothing at / to this worker");
  });

  test("pushes its own branch where that was asked for, forward alone, and is told what the remote says", async () => {
    const ended = await run(
      `commit() { git commit -q --allow-empty "$@"; }; commit -m one && git push -q -u origin pushes && commit -m two && git push -q && git ls-remote --heads origin pushes | cut -f2
       exec 2>&1
       git push -q origin HEAD:refs/heads/elsewhere
       git push -q origin HEAD:refs/heads/pushes HEAD:refs/heads/elsewhere
       git push -q origin :pushes
       commit --amend -m three && git push -q --force origin pushes; git reset -q --hard @{u}
       commit -m refused && git push -q origin pushes`,
      { branch: "pushes", agentPush: true },
    );
    expect(ended.stdout).toMatch(/^refs\/heads\/pushes\n/);
    expect(ended.stdout).toContain(
      "Factory lets this worker push refs/heads/pushes alone, not refs/heads/elsewhere",
    );
    expect(ended.stdout).toContain("no lover of this commit");
    const remote = (...words: string[]) => git.git("acme", "private", ...words);
    expect(await remote("log", "--format=%s", "pushes")).toBe("two\none\nBegin");
    expect(await remote("branch", "--list", "elsewhere")).toBe("");
    const { workerSession } = await server.query<{ workerSession: object }>(
      "query ($id: ID!) { workerSession(id: $id) { agentPush pushedTo } }",
      { id: ended.id },
    );
    expect(workerSession).toEqual({
      agentPush: true,
      pushedTo: `${git.url("acme", "private")} refs/heads/pushes`,
    });
  });

  test("can't push, and is told how its branch gets to the remote", async () => {
    const { stdout } = await run(
      `git commit -q --allow-empty -m mine && git push origin HEAD:refs/heads/mine 2>&1; git push ${git.url("acme", "private").replace("://", `://${username}:wrong@`)} HEAD:refs/heads/mine 2>&1`,
    );
    expect(stdout).toContain(
      "remote: push from here: the session was dispatched without agentPush",
    );
    expect(await git.git("acme", "private", "branch", "--list", "mine")).toBe("");
  });

  test("stops nobody else's by nonsense, or by asking for much at once", async () => {
    const at = "http://127.0.0.1:17901/git/acme/private.git";
    const type = "content-type: application/x-git-upload-pack-request";
    const { stdout } = await run(
      `post() { curl -s -m 20 -o /dev/null -w "%{http_code}\\n" -H "${type}" "$@"; }
       post -d nonsense ${at}/git-upload-pack
       curl -s -m 20 -o /dev/null "${at}/info/refs?service=git-upload-pack"
       post -d nonsense ${at}/git-upload-pack
       head -c 1000000 /dev/urandom | post -H "content-encoding: gzip" --data-binary @- ${at}/git-upload-pack
       printf 0014command=ls-refs | post -H "git-protocol: version=2" --data-binary @- ${at}/git-upload-pack
       for n in $(seq 20); do git ls-remote -q origin >/dev/null & done; wait; git ls-remote origin HEAD | wc -l`,
    );
    expect(stdout.trim().split("\n").at(-1)).toBe("1");
    expect((await run("git ls-remote -q origin HEAD | wc -l")).stdout).toBe("1\n");
  });

  test("goes on after a restart of the server", async () => {
    const { id } = await dispatch(server, {
      parentSession: "lead",
      repository,
      branch: "outlives",
      task: `echo up; until git fetch -q origin 2>/dev/null && git rev-parse -q --verify origin/after; do sleep 0.2; done`,
    });
    await eventually(async () => {
      const { workerSession } = await server.query<{ workerSession: { events: object[] } }>(
        `query ($id: ID!) { workerSession(id: $id) { events { ... on WorkerOutputEvent { text } } } }`,
        { id },
      );
      return JSON.stringify(workerSession.events).includes("up\\n");
    });
    await server.kill();
    const commit = await git.pushCommit("acme", "private", "after", { after: "after\n" });
    server = await server.restart();
    expect((await untilEnded(server, id)).stdout).toBe(`up\n${commit}\n`);
  });
});
