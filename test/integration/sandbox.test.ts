// Workers in a sandbox, by the public API of a server: what they reach, what they don't, and what is told of it.
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { cloned, deleteWorktree, inspectWorktree } from "../support/repositories.ts";
import { describeSandbox } from "../support/sandbox.ts";
import {
  dispatch,
  dispatchMany,
  dispatchMutation,
  eventually,
  untilEnded,
  type Ended,
} from "../support/workers.ts";

const providerKey = "sk-the-provider-key-of-the-server";

describeSandbox("a worker in a sandbox", () => {
  let git: GitServer;
  let server: FactoryServer;
  /** On this machine, and named in no list. */
  let neighbour: Server;
  let neighbourPort = 0;
  /** In the server's PATH. */
  let programs = "";
  const repository = { owner: "acme", name: "locked" };

  beforeAll(async () => {
    neighbour = createServer((_, response) => response.end("the neighbour\n"));
    neighbour.listen(0, "127.0.0.1");
    await once(neighbour, "listening");
    const address = neighbour.address();
    neighbourPort = typeof address === "object" ? (address?.port ?? 0) : 0;
    git = await startGitServer();
    programs = await mkdtemp(join(tmpdir(), "factory-programs-"));
    await chmod(programs, 0o755);
    server = await startFactory({
      git,
      env: {
        FACTORY_SANDBOX: "required",
        PATH: `${programs}:${process.env["PATH"] ?? ""}`,
        ANTHROPIC_API_KEY: providerKey,
        FACTORY_MAX_WORKERS: "20",
      },
    });
    await writeFile(
      join(programs, "codex"),
      "#!/bin/sh\ncurl -s https://api.openai.com/v1/models\nexec sleep 600\n",
      { mode: 0o755 },
    );
    await mkdir(join(server.home, ".ssh"));
    await writeFile(join(server.home, ".ssh/id_ed25519"), "the private key\n");
    await chmod(join(server.home, ".ssh"), 0o755);
    await cloned(server, git, repository);
  });

  afterAll(async () => {
    neighbour.close();
    await server.dispose();
    await git.stop();
    await rm(programs, { recursive: true });
  });

  async function run(task: string, more: object = {}): Promise<Ended> {
    const { id } = await dispatch(server, { parentSession: "lead", repository, task, ...more });
    return untilEnded(server, id);
  }

  async function refusalOf(more: object): Promise<string[]> {
    const input = { parentSession: "lead", repository, agent: "shell", task: "true", ...more };
    return server.codes(dispatchMutation, { input });
  }

  interface Facts {
    readonly sandbox: string | null;
    readonly blockedHosts: readonly object[];
    readonly events: readonly {
      readonly text?: string;
      readonly host?: string;
      readonly blockReason?: string;
    }[];
  }

  async function factsOf({ id }: Ended): Promise<Facts> {
    const { workerSession } = await server.query<{ workerSession: Facts }>(
      `query ($id: ID!) { workerSession(id: $id) {
        sandbox blockedHosts { host port blockReason } events { ... on WorkerOutputEvent { text } ... on WorkerBlockedEvent { host port blockReason } } } }`,
      { id },
    );
    return workerSession;
  }

  test("commits in its worktree, reports by the command, and the server pushes its branch", async () => {
    const ended = await run(
      'echo hello >file && git add . && git commit -qm "From inside" && git stash list && factory report "all done" --outcome succeeded',
      { push: true, branch: "inside" },
    );
    expect(ended).toMatchObject({ stderr: "", status: "SUCCEEDED", summary: "all done" });
    expect(ended.commits.map(({ subject }) => subject)).toEqual(["From inside"]);
    expect(await git.git("acme", "locked", "log", "--format=%s", "-1", "inside")).toBe(
      "From inside",
    );
    expect(await factsOf(ended)).toMatchObject({ sandbox: "BUBBLEWRAP", blockedHosts: [] });
  });

  test("a second session of its worktree goes on there, after the server has written in it too", async () => {
    const first = await run("echo one >one; git add .; git commit -qm one; git switch -qc side", {
      branch: "twice",
    });
    expect(first.status).toBe("SUCCEEDED");
    const second = await run(
      "git branch --show-current; echo two >>one; git commit -qam two; git tag done; git fetch -q; git log --format=%s | head -2",
      { branch: "twice" },
    );
    expect(second).toMatchObject({ stderr: "", stdout: "twice\ntwo\none\n", status: "SUCCEEDED" });
    const third = await run("echo left >left", { branch: "twice" });
    expect(third.statusReason).toContain("1 changed file");
    const name = { ...repository, branch: "twice" };
    expect(await inspectWorktree(server, name)).toMatchObject({
      changedFiles: 1,
      diff: { text: expect.stringContaining("+two") },
    });
    await deleteWorktree(server, { ...name, force: true });
  });

  test("sees nothing of the server: its variables, its files, other sessions, keys, its processes", async () => {
    const { stdout } = await run(
      `env | grep -v FACTORY_TASK; cat ${server.home}/token ${server.home}/.ssh/id_ed25519 /root/.ssh/* 2>&1 | grep -v "No such file"; ls ${server.home} ${server.home}/sessions ${server.home}/worktrees/acme/locked; cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | grep -c ^ANTHROPIC_API_KEY=; kill -0 ${String(server.process.pid)} 2>/dev/null && echo signalled; ls sessions identity.json exit.json 2>/dev/null`,
    );
    expect(stdout).not.toContain(providerKey);
    expect(stdout).not.toContain("the private key");
    expect(stdout).not.toContain(server.token);
    expect(stdout).not.toMatch(/signalled|identity\.json|inside|postgres/);
    expect(stdout).toMatch(/^0$/m);
  });

  test("can't be given a longer arm by what it leaves in its folders", async () => {
    const first = await run(
      `ln -s ${server.home} "$HOME/.claude"; ln -s ${server.home}/token leak; git add .; git commit -qm link`,
      { branch: "links" },
    );
    expect(first.status).toBe("SUCCEEDED");
    const second = await run("cat leak; ls $HOME/.claude/", { branch: "links" });
    expect(second.stdout).toBe("");
    expect((await readdir(server.home)).includes("token")).toBe(true);
  });

  test("reaches no port of this machine, is refused hosts that no list has, and that is told", async () => {
    const ended = await run(
      `curl -sS --max-time 20 http://127.0.0.1:${String(neighbourPort)} 2>&1; curl -sS --max-time 20 --noproxy '*' http://127.0.0.1:${String(neighbourPort)} 2>&1; for i in 1 2; do curl -s --max-time 20 http://unlisted.example/ ; done; curl -s --max-time 20 --noproxy '' http://localhost:${String(neighbourPort)}/`,
    );
    expect(ended.stdout).not.toContain("the neighbour");
    expect(ended.stdout).toContain("Blocked by Factory: unlisted.example:80 is not allowed");
    const streamed = await server.fetch(`/api/agents/sessions/${ended.name}/events?after=0`);
    expect(await streamed.text()).toContain('"__typename":"WorkerBlockedEvent"');
    const facts = await factsOf(ended);
    expect(facts.events.filter(({ host }) => host !== undefined)).toEqual([
      { host: "unlisted.example", port: 80, blockReason: "UNLISTED" },
      { host: "localhost", port: neighbourPort, blockReason: "UNLISTED" },
    ]);
    expect(facts.blockedHosts).toEqual(facts.events.filter(({ host }) => host !== undefined));
  });

  test("is ended where its agent would try without end to reach a model that it may not reach", async () => {
    const ended = await run("anything", { agent: "codex", network: { mode: "NONE" } });
    expect(ended).toMatchObject({ status: "FAILED", failureCode: "FORBIDDEN" });
    expect(ended.statusReason).toContain("api.openai.com, which no list allows");
  });

  test("speaks with Factory by its own token", async () => {
    const ended = await run(
      `factory workers >/dev/null && echo listed; curl -s -o /dev/null -w "%{http_code}" -H "Authorization: Bearer $FACTORY_TOKEN" $FACTORY_URL/healthz`,
    );
    expect(ended).toMatchObject({ stderr: "", stdout: "listed\n200" });
  });

  test("is let through to a host that is allowed for it while it runs, and its repository's next one at once", async () => {
    const host = `localhost:${String(neighbourPort)}`;
    const ask = `curl -sf --max-time 20 --noproxy '' http://${host}/`;
    const { id } = await dispatch(server, {
      parentSession: "lead",
      repository,
      branch: "allowed",
      task: `until ${ask}; do sleep 0.2; done`,
    });
    await eventually(async () => (await factsOf({ id } as Ended)).blockedHosts.length === 1);
    const asked = `mutation ($input: AllowHostInput!) { allowHost(input: $input) { worker { network { mode allow } } } }`;
    expect(await server.codes(asked, { input: { id, host: "http://x/" } })).toEqual(["BAD_INPUT"]);
    const answer = await server.query(asked, { input: { id, host, forRepository: true } });
    expect(answer).toEqual({ allowHost: { worker: { network: { mode: "LIST", allow: [host] } } } });
    expect((await untilEnded(server, id)).stdout).toBe("the neighbour\n");
    expect((await run(ask)).stdout).toBe("the neighbour\n");
    expect((await run(ask, { network: { mode: "NONE" } })).stdout).toBe("");
    const { setRepositoryNetwork } = await server.query<{ setRepositoryNetwork: object }>(
      `mutation ($input: SetRepositoryNetworkInput!) { setRepositoryNetwork(input: $input) { repository { network { mode allow } } } }`,
      { input: { ...repository, network: null } },
    );
    expect(setRepositoryNetwork).toEqual({ repository: { network: null } });
    expect((await run(ask)).stdout).toBe("");
    expect((await run(ask, { network: { allow: [host] } })).stdout).toBe("the neighbour\n");
  });

  test("is never given up where the server requires it, and none can ask for more than it has", async () => {
    const off = await run("id -u", { sandbox: "OFF" });
    expect(off).toMatchObject({ status: "FAILED", failureCode: "FORBIDDEN", stdout: "" });
    const odd = { network: { allow: ["a b"] } };
    expect(await refusalOf(odd)).toEqual(["BAD_INPUT"]);
    const child = `factory dispatch true --agent shell --branch child`;
    const { stdout } = await run(
      `${child} --sandbox off 2>&1; ${child} --allow-host example.com 2>&1; ${child} --network open 2>&1; factory allow $FACTORY_WORKER example.com 2>&1; ${child} --network none`,
    );
    expect(stdout).toMatch(/sandbox is OFF, and worker-\d+ has the server's choice/);
    expect(stdout).toMatch(/network is example.com, and worker-\d+ has no list of its own/);
    expect(stdout).toMatch(/network is OPEN, and/);
    expect(stdout).toMatch(/operator/);
    expect(stdout).toMatch(/worker-\d+ queued/i);
  });

  test("what it started in the background is gone at its end, whatever it did to stay", async () => {
    const mark = `stays-${String(process.pid)}-${String(Date.now())}`;
    const ended = await run(
      `(setsid env -i bash -c 'setsid env -i bash -c "exec -a ${mark} sleep 300" & exit' &) ; sleep 0.3; pgrep -f ${mark} >/dev/null && echo started`,
    );
    expect(ended.stdout).toBe("started\n");
    await eventually(async () => !(await commandLines()).some((line) => line.includes(mark)));
  });

  test("a full /tmp is one worker's own trouble", async () => {
    const fills = `head -c 600M /dev/zero >/tmp/full 2>/tmp/words; echo full; until [ -e "$HOME/go" ]; do sleep 0.1; done; stat -c %s /tmp/full`;
    const { id } = await dispatch(server, { parentSession: "lead", repository, task: fills });
    await eventually(async () =>
      (await factsOf({ id } as Ended)).events.some(({ text }) => text === "full\n"),
    );
    const other = await run("head -c 1M /dev/zero >/tmp/mine && stat -c %s /tmp/mine");
    expect(other).toMatchObject({ stdout: "1048576\n", stderr: "" });
    for (const home of await homesOf(server)) await writeFile(join(home, "go"), "");
    expect((await untilEnded(server, id)).stdout).toBe(`full\n${String(512 * 2 ** 20)}\n`);
  });

  test("twenty at once each have port 8080 for themselves", async () => {
    const workers = await dispatchMany(server, 20, (number) => ({
      parentSession: "ports",
      repository,
      branch: `port-${String(number)}`,
      task: `perl -e 'use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => 8080, Listen => 5) or die "taken: $!"; if (!fork) { my $c = $s->accept; print $c "mine ${String(number)}\\n"; exit } sleep 1; my $c = IO::Socket::INET->new("127.0.0.1:8080"); print <$c>'`,
    }));
    const ended = await Promise.all(workers.map(({ id }) => untilEnded(server, id)));
    expect(ended.map(({ stdout }) => stdout)).toEqual(
      workers.map((_, number) => `mine ${String(number)}\n`),
    );
  });

  test("a server that is killed finds it running on, and its network with it", async () => {
    const { id } = await dispatch(server, {
      parentSession: "lead",
      repository,
      branch: "outlives",
      task: `echo up; until curl -sf --max-time 5 -H "Authorization: Bearer $FACTORY_TOKEN" -H "content-type: application/json" -d '{"query":"{ __typename }"}' $FACTORY_URL/graphql -o answer && [ -e .git ] && [ -s answer ] && [ -e "$HOME/killed" ]; do sleep 0.2; done; curl -s --max-time 20 http://unlisted.example/; factory report "still here"`,
    });
    // It runs: before that there is nothing of it to find.
    await eventually(async () =>
      (await factsOf({ id } as Ended)).events.some(({ text }) => text === "up\n"),
    );
    await server.kill();
    for (const home of await homesOf(server)) await writeFile(join(home, "killed"), "");
    server = await server.restart();
    const ended = await untilEnded(server, id);
    expect(ended).toMatchObject({ status: "SUCCEEDED", summary: "still here" });
    expect((await factsOf(ended)).blockedHosts).toHaveLength(1);
  });
});

async function homesOf({ home }: FactoryServer): Promise<string[]> {
  const found: string[] = [];
  for (const worktree of await readdir(join(home, "homes"))) {
    for (const name of await readdir(join(home, "homes", worktree))) {
      found.push(join(home, "homes", worktree, name));
    }
  }
  return found;
}

async function commandLines(): Promise<string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  return Promise.all(
    pids.map(async (pid) => readFile(`/proc/${pid}/cmdline`, "latin1").catch(() => "")),
  );
}
