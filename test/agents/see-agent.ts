// What must hold for every real agent, in each of its forms, through a real server.
import { lookup } from "node:dns/promises";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { startModelServer, type ModelServer } from "../support/model-server.ts";
import { availability } from "../support/sandbox.ts";
import { answer, hearAll, send, untilAsked, wordsOf } from "../support/talks.ts";
import {
  cancel,
  dispatch,
  eventually,
  readWorker,
  untilEnded,
  type Worker,
} from "../support/workers.ts";
import { forms, type AgentName, type Form } from "./forms.ts";
import { pointAt } from "./pointed.ts";
import { install, type Installed } from "./programs.ts";
import { isLimited, timeLeft } from "./time.ts";

const repository = { owner: "acme", name: "app" };

/** By which the model is reached from a sandbox, too; undefined: the machine doesn't know its own name. */
const machine = await lookup(hostname()).then(
  () => hostname(),
  () => undefined,
);

/** FACTORY_SANDBOX=off leaves it out; where there is none CI finds that out in its other tests. */
const isLockedIn =
  availability.available && machine !== undefined && process.env["FACTORY_SANDBOX"] !== "off";

/** What the first tests of a form take at most, on two cores that do other work too. */
const formMs = 25_000;

/** Declares the tests of an agent; those of a form that can't run here are skipped, and say why. */
export async function seeAgent(agent: AgentName): Promise<void> {
  // Of the forms that are declared, which run later.
  let neededMs = 0;
  for (const form of forms.filter((each) => each.agent === agent)) {
    const where = isLockedIn ? "in a sandbox" : "without a sandbox";
    const name = `${agent} by ${form.protocol} ${where}`;
    neededMs += formMs;
    const installed = await installInTime(form, neededMs);
    if ("missing" in installed) {
      neededMs -= formMs;
      test.skip(`${name}: ${installed.missing}`, () => undefined);
    } else {
      describe(name, () => {
        seeForm(form, installed.folder);
      });
    }
  }
}

async function installInTime({ program }: Form, neededMs: number): Promise<Installed> {
  const noTime = { missing: "no time is left of FACTORY_AGENT_SECONDS" };
  if (timeLeft() < neededMs) return noTime;
  const installed = await install(program, timeLeft() - neededMs);
  return timeLeft() < neededMs && !("missing" in installed) ? noTime : installed;
}

function seeForm(form: Form, programs: string): void {
  const owned = new AsyncDisposableStack();
  let git: GitServer;
  let model: ModelServer;
  let server: FactoryServer;
  let count = 0;

  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), "factory-real-"));
    owned.defer(() => rm(folder, { recursive: true, force: true }));
    git = await startGitServer();
    owned.defer(() => git.stop());
    await git.createRepository(repository.owner, repository.name);
    model = await startModelServer(isLockedIn ? machine : undefined);
    owned.defer(() => model.stop());
    const agents = join(folder, "agents.json");
    const entry = { protocol: form.protocol };
    await writeFile(agents, JSON.stringify({ agents: { [form.agent]: entry } }));
    server = await startFactory({
      git,
      env: {
        ...(await pointAt(form.agent, model.url, folder)),
        PATH: [programs, process.env["PATH"] ?? ""].join(delimiter),
        HOME: folder,
        FACTORY_AGENTS: agents,
        FACTORY_SANDBOX: isLockedIn ? "required" : "off",
        // Where it isn't by a variable that the agent is pointed at the model.
        FACTORY_NETWORK: new URL(model.url).host,
      },
    });
    owned.defer(() => server.dispose());
  });

  afterEach(() => {
    model.fail(undefined);
    model.play({ more: {} });
  });

  // What was started, also where something after it was not.
  afterAll(() => owned.disposeAsync());

  /** From now on the model wants the command run that commits a file of a new name. */
  function wantCommit(): string {
    count += 1;
    const file = `file-${String(count)}.txt`;
    model.play({
      command: `printf hello > ${file} && git add ${file} && git commit -m "Add ${file}"`,
      text: `I added ${file}.`,
    });
    return file;
  }

  function begin(more: Readonly<Record<string, unknown>> = {}): Promise<Worker> {
    return dispatch(server, {
      parentSession: "real",
      repository,
      agent: form.agent,
      task: "Add a file.",
      permissions: "ALLOW",
      ...more,
    });
  }

  /** Only of this session: a follow-up's worktree holds those of the one before. */
  async function subjectsOf(id: string): Promise<string[]> {
    return (await readWorker(server, id)).commits.map(({ subject }) => subject);
  }

  /** Declares a test for which a run of limited time has none. */
  function further(name: string, act: () => Promise<void>): void {
    if (isLimited) test.skip(`${name}: left out of a run of limited time`, act);
    else test(name, act);
  }

  test("commits; tells of its tool, its words and its usage, in this order; has succeeded", async () => {
    const file = wantCommit();
    const { id } = await begin();
    const events = await hearAll(server, id);
    expect(await readWorker(server, id)).toMatchObject({
      status: "SUCCEEDED",
      statusReason: null,
      commits: [{ subject: `Add ${file}` }],
    });
    const tool = events.findIndex(({ __typename }) => __typename === "WorkerToolCallEvent");
    const words = events.findIndex(
      ({ role, text }) => role === "AGENT" && text?.includes(file) === true,
    );
    expect(tool).toBeGreaterThan(-1);
    expect(words).toBeGreaterThan(tool);
    expect(events.findLast(({ toolCallId }) => toolCallId !== undefined)).toMatchObject({
      toolCallStatus: "COMPLETED",
    });
    const usage = events.findLast((event) => event.usage !== undefined)?.usage;
    expect(usage?.inputTokens).toBeGreaterThan(0);
    expect(usage?.outputTokens).toBeGreaterThan(0);
    expect((await readWorker(server, id)).summary).toContain(file);
  });

  test("has failed, and says why, when its model wants another key", async () => {
    model.fail(401);
    const { id } = await begin();
    const ended = await untilEnded(server, id);
    expect(ended.status).toBe("FAILED");
    expect(ended.statusReason).toMatch(/401|auth|log|key|told to fail/i);
  });

  further("has failed, and says why, when its model fails", async () => {
    model.fail(500);
    const { id } = await begin();
    const ended = await untilEnded(server, id);
    expect(ended.status).toBe("FAILED");
    // codex has words of its own for it.
    expect(ended.statusReason).toMatch(/500|internal|model|told to fail|high demand/i);
  });

  further("is cancelled in the middle of a turn, and leaves nothing running", async () => {
    wantCommit();
    const hold = model.hold();
    const { id } = await begin();
    await hold.arrived;
    expect(await processesBelow(server.home)).not.toEqual([]);
    await cancel(server, id);
    const ended = await untilEnded(server, id);
    hold.release();
    expect(ended.status).toBe("CANCELLED");
    await eventually(async () => (await processesBelow(server.home)).length === 0);
    expect(await subjectsOf(id)).toEqual([]);
  });

  further("goes on with its conversation after its end", async () => {
    const before = wantCommit();
    const { id } = await begin({ task: "The word is swordfish. Add a file." });
    expect((await untilEnded(server, id)).status).toBe("SUCCEEDED");
    const file = wantCommit();
    const { created, worker } = await send(server, { id, text: "Add another one." });
    expect(created).toBe(true);
    expect(await untilEnded(server, worker.id)).toMatchObject({ status: "SUCCEEDED" });
    expect(await subjectsOf(worker.id)).toContain(`Add ${file}`);
    // Not the last one: codex has a title made, of the new words alone.
    const remembers = (body: string) =>
      body.includes("Add another one.") && body.includes("swordfish");
    expect(model.requests.some(remembers)).toBe(true);
    const events = await hearAll(server, worker.id);
    // A new conversation would be told its summary instead.
    expect(wordsOf(events, "USER")).not.toContain("new conversation");
    // Nor is the history told again that some repeat when they load it.
    expect(wordsOf(events)).not.toContain(before);
  });

  further("goes on while its server is killed and started anew", async () => {
    const file = wantCommit();
    const hold = model.hold();
    const { id } = await begin();
    await hold.arrived;
    await server.kill();
    hold.release();
    server = await server.restart();
    expect((await untilEnded(server, id)).status).toBe("SUCCEEDED");
    expect(await subjectsOf(id)).toEqual([`Add ${file}`]);
  });

  const { asking } = form;
  if (asking === undefined) {
    test.skip("asks for permission: by this protocol nobody can be asked", () => undefined);
    return;
  }

  for (const isAllowed of [true, false]) {
    const words = isAllowed ? "does what it is allowed" : "doesn't do what it is refused";
    further(`asks for permission, and ${words}`, async () => {
      const file = wantCommit();
      model.play({ more: asking });
      const { id } = await begin({ permissions: "ASK" });
      const request = await untilAsked(server, id);
      const kind = isAllowed ? "allow_once" : "reject_once";
      const option = request.options.find((each) => each.kind === kind);
      await answer(server, { id, requestId: request.id, optionId: option!.id });
      const ended = await untilEnded(server, id);
      if (isAllowed) expect(ended.status).toBe("SUCCEEDED");
      expect(await subjectsOf(id)).toEqual(isAllowed ? [`Add ${file}`] : []);
    });
  }
}

/** Those whose temporary folder is one of the server's sessions: agents, and all that they started. */
async function processesBelow(home: string): Promise<string[]> {
  const mark = `\0TMPDIR=${join(home, "sessions")}`;
  const ids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    ids.map(async (id) => {
      try {
        const environment = await readFile(`/proc/${id}/environ`, "latin1");
        return `\0${environment}`.includes(mark) ? [id] : [];
      } catch {
        // It has ended meanwhile, or is another user's: not one of ours in either case.
        return [];
      }
    }),
  );
  return found.flat();
}
