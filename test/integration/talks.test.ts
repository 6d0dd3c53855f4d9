// Agents that are spoken to: what they say and do, what they ask, and what is said to them.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { runCommand } from "../support/command.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import {
  answer,
  answerMutation,
  followTalk,
  hearAll,
  pendingOf,
  send,
  sendMutation,
  untilAsked,
  untilSaid,
  wordsOf,
  writeScriptedAgents,
} from "../support/talks.ts";
import { cancel, dispatch, readWorker, untilEnded, untilStatus } from "../support/workers.ts";

let git: GitServer;
let server: FactoryServer;
let folder: string;
const repository = { owner: "acme", name: "app" };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "factory-talks-"));
  git = await startGitServer();
  await git.createRepository("acme", "app");
  server = await startFactory({
    git,
    env: {
      FACTORY_AGENTS: await writeScriptedAgents(folder),
      FACTORY_KILL_GRACE: "2",
      FACTORY_START_TIMEOUT: "10",
      DEPLOY_TOKEN: "split/secret value",
    },
  });
});

afterAll(async () => {
  await server.dispose();
  await git.stop();
  await rm(folder, { recursive: true });
});

/** Each line is something to do; see acp-agent.ts. */
function work(lines: readonly string[], more: Readonly<Record<string, unknown>> = {}) {
  const task = lines.map((line) => `do: ${line}`).join("\n");
  return dispatch(server, { parentSession: "talks", repository, agent: "scripted", task, ...more });
}

describe("secrets of the server", () => {
  test("are left out of messages, thoughts, tools, plans, questions, and the summary, also in parts", async () => {
    const secret = "split/secret value";
    const escaped = JSON.stringify({
      title: `run ${secret}`,
      rawInput: { command: `x ${secret}` },
    });
    const { id } = await work(
      [
        `think ${secret}`,
        `tool execute run ${secret}`,
        `plan first ${secret} | second`,
        `ask-call ${escaped}`,
        `say-parts it is ${secret} in parts`,
      ],
      { permissions: "ALLOW" },
    );
    const events = await hearAll(server, id);
    const said = events.filter(({ role }) => role !== "USER");
    expect(JSON.stringify(said)).not.toContain("secret value");
    expect(wordsOf(events)).toContain("it is [redacted] in parts");
    const { summary } = await readWorker(server, id);
    expect(summary).toContain("it is [redacted] in parts");
  });
});

describe("what an agent does", () => {
  test("is told in order: words, thoughts, tools, plans, usage; its commit is there, its last words are the summary", async () => {
    const { id } = await work([
      "think about it",
      "say first",
      "tool execute Run the tests",
      "plan one | two",
      "commit new.txt",
      "usage 100 20 0.01",
      "say-parts all is done",
    ]);
    const events = await hearAll(server, id);
    expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, index) => index + 1));
    expect(wordsOf(events, "USER")).toContain("do: say first");
    expect(wordsOf(events, "THOUGHT")).toContain("about it");
    expect(events.find(({ title }) => title === "Run the tests")).toMatchObject({
      __typename: "WorkerToolCallEvent",
      kind: "execute",
    });
    expect(events.findLast(({ title }) => title === "Run the tests")).toMatchObject({
      toolCallStatus: "COMPLETED",
    });
    const types = events.map(({ __typename }) => __typename);
    expect(types).toContain("WorkerUsageEvent");
    const ended = await readWorker(server, id);
    expect(ended).toMatchObject({ status: "SUCCEEDED", statusReason: null });
    expect(ended.summary).toContain("all is done");
    expect(ended.commits).toHaveLength(1);
  });

  test("a turn that fails is a FAILED session, with the reason", async () => {
    const { id } = await work(["say before", "fail 500"]);
    const ended = await untilEnded(server, id);
    expect(ended.status).toBe("FAILED");
    expect(ended.statusReason).not.toBeNull();
  });

  test.each([
    ["nothing", null, /without a word, a tool call or any use of the model/],
    ["stop max_tokens", "CONTEXT_EXHAUSTED", /limit of tokens/],
    ["stop refusal", null, /refused to go on/],
    [
      'error {"code":-32603,"message":"Internal error","data":{"message":"Come back at 3pm","codexErrorInfo":"usageLimitExceeded"}}',
      "USAGE_LIMIT",
      /^the agent failed: Come back at 3pm$/,
    ],
    [
      'error {"code":-32603,"message":"API Error: 529","data":{"errorKind":"overloaded"}}',
      "OVERLOADED",
      /529/,
    ],
    ["say You've hit your session limit · resets 3pm (UTC)", "USAGE_LIMIT", /resets 3pm/],
  ])("%s: FAILED, with the code %s", async (line, failureCode, reason) => {
    const { id } = await work([line]);
    const ended = await untilEnded(server, id);
    expect(ended).toMatchObject({ status: "FAILED", failureCode });
    expect(ended.statusReason).toMatch(reason);
  });

  test("an agent that crashes says why in its last line of errors", async () => {
    const { id } = await work(["say before", "errors out of memory", "exit 3"]);
    expect(await untilEnded(server, id)).toMatchObject({
      status: "FAILED",
      failureCode: "AGENT_CRASHED",
      statusReason: "the agent ended (exit code 3) before its turn did: out of memory",
    });
  });

  test("while it asks the model again, the reason says so; then no more", async () => {
    const gates = [join(folder, "gate-retry-1"), join(folder, "gate-retry-2")] as const;
    const { id } = await work([
      "retry 6/10",
      `wait-file ${gates[0]}`,
      "say answered",
      `wait-file ${gates[1]}`,
    ]);
    const followed = followTalk(server, id);
    const isTold = (text: string) =>
      followed.until((all) => all.some(({ workerEvents }) => workerEvents.text?.includes(text)));
    await isTold("asking again");
    expect(await readWorker(server, id)).toMatchObject({
      status: "RUNNING",
      statusReason: "the model's server is overloaded, try 6 of 10",
    });
    await writeFile(gates[0], "");
    await untilSaid(server, id, "answered");
    expect(await readWorker(server, id)).toMatchObject({ status: "RUNNING", statusReason: null });
    await writeFile(gates[1], "");
    await followed.completed;
    expect(await readWorker(server, id)).toMatchObject({
      status: "SUCCEEDED",
      statusReason: "no commits were made",
    });
  });

  test("a cost that can't be ends neither it nor its siblings", async () => {
    const parentSession = "absurd";
    await server.query(
      "mutation ($input: SetParentBudgetInput!) { setParentBudget(input: $input) { parentSession { name } } }",
      { input: { parentSession, maxCostUsd: 1 } },
    );
    const gate = join(folder, "gate-absurd");
    const sibling = await work(["say begun", `wait-file ${gate}`], { parentSession });
    await untilSaid(server, sibling.id, "begun");
    const { id } = await work(["cost 0.25", "cost 1e308", "cost -3", "say done"], {
      parentSession,
    });
    const events = await hearAll(server, id);
    expect(events.filter(({ text }) => text?.includes("which is not counted"))).toHaveLength(1);
    expect(events.findLast(({ usage }) => usage !== undefined)?.usage?.costUsd).toBe(0.25);
    expect((await readWorker(server, id)).status).toBe("SUCCEEDED");
    await writeFile(gate, "");
    expect((await untilEnded(server, sibling.id)).status).toBe("SUCCEEDED");
  });

  test("a task and a message that look like commands reach the agent as words", async () => {
    const gate = join(folder, "gate-words");
    const task = `/status\ndo: say begun\ndo: wait-file ${gate}`;
    const { id } = await dispatch(server, {
      parentSession: "talks",
      repository,
      agent: "scripted",
      task,
    });
    await untilSaid(server, id, "begun");
    await send(server, { id, text: "!ls\ndo: history" });
    await writeFile(gate, "");
    const history = wordsOf(await hearAll(server, id));
    expect(history).toContain('"text":"Your task:\\n\\n/status');
    expect(await readWorker(server, id)).toMatchObject({ status: "SUCCEEDED" });
    const { worker } = await send(server, { id, text: " /compact\ndo: history" });
    const events = await hearAll(server, worker.id);
    expect(wordsOf(events)).toContain('"text":"Your task:\\n\\n!ls');
    expect(wordsOf(events, "USER")).toMatch(/^Your task:\n\n \/compact/);
  });

  test("an agent that doesn't answer at its start is started once more", async () => {
    const late = await work(["say at last"], { agent: "late" });
    const silent = await work(["say never"], { agent: "silent" });
    const events = await hearAll(server, late.id);
    expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, index) => index + 1));
    expect(events.map(({ text }) => text ?? "").join("")).toContain(
      "[factory] the agent gave no answer to initialize within 10 s of its start: it is started again",
    );
    expect(wordsOf(events)).toBe("at last");
    expect(events.filter(({ role }) => role === "USER")).toHaveLength(1);
    expect((await readWorker(server, late.id)).status).toBe("SUCCEEDED");
    const ended = await untilEnded(server, silent.id);
    expect(ended).toMatchObject({ status: "FAILED", failureCode: "AGENT_START_TIMEOUT" });
    expect(ended.statusReason).toMatch(/no answer to initialize within 10 s .* started again/);
  });

  test("an agent that ends in the middle of its turn has failed, also with exit code 0", async () => {
    const { id } = await work(["say before", "exit 0"]);
    expect(await untilEnded(server, id)).toMatchObject({ status: "FAILED", exitCode: 0 });
  });

  test("garbage is output, and the turn goes on", async () => {
    const { id } = await work(["garbage", "unknown", "say still here"]);
    const events = await hearAll(server, id);
    expect(wordsOf(events)).toContain("still here");
    expect(events.some(({ channel }) => channel === "STDOUT")).toBe(true);
    expect((await readWorker(server, id)).status).toBe("SUCCEEDED");
  });

  test("what doesn't fit the database is made to fit, and the work stands", async () => {
    const parentSession = "unfit";
    const unfit = ["commit kept.txt", "usage 5000000000 20 1e308", "nul"];
    for (let count = 0; count < 2; count += 1) {
      const { id } = await work(unfit, { parentSession });
      const ended = await untilEnded(server, id);
      expect(ended).toMatchObject({ status: "SUCCEEDED", failureCode: null });
      expect(ended.summary).toContain("done \uFFFD bye");
      expect(ended.commits).toHaveLength(1);
    }
    expect(
      await server.query(
        `{ parentSession(name: "${parentSession}") { usage { inputTokens outputTokens costUsd } } }`,
      ),
    ).toEqual({
      parentSession: { usage: { inputTokens: 2 ** 31 - 1, outputTokens: 40, costUsd: null } },
    });
  });

  test("what an agent says beyond 32 MiB is not kept, and a marker says so", async () => {
    const said = Array.from({ length: 600 }, () => "long 60000");
    const { id } = await work([...said, "usage 100 20 0.01", "say unkept"]);
    const events = await hearAll(server, id);
    const kept = events.reduce((sum, { text }) => sum + (text?.length ?? 0), 0);
    expect(kept / 1024 / 1024).toBeCloseTo(32, 0);
    const marked = events.findIndex(({ text }) => text?.includes("output beyond 32 MiB") === true);
    const after = events.slice(marked + 1).map(({ __typename }) => __typename);
    expect(new Set(after)).toEqual(new Set(["WorkerUsageEvent", "WorkerStatusEvent"]));
    expect((await readWorker(server, id)).status).toBe("SUCCEEDED");
  });

  test.each([
    ["mute", /ended/],
    ["foreign", /version/],
  ])("the agent %s can't be spoken to: FAILED, with the reason", async (agent, reason) => {
    const { id } = await work(["say never"], { agent });
    const ended = await untilEnded(server, id);
    expect(ended.status).toBe("FAILED");
    expect(ended.statusReason).toMatch(reason);
  });
});

describe("a permission request", () => {
  test("sets WAITING, is in the parent's stream at once, and waits for its answer", async () => {
    const parentSession = "asked";
    const { id, name } = await work(["ask Delete everything"], {
      parentSession,
      permissions: "ASK",
    });
    const request = await untilAsked(server, id);
    expect(request).toMatchObject({ title: "Delete everything", answer: null });
    const parent = server.subscribe<{
      workerStatusChanged: { status: string; permission: { id: string; title: string } | null };
    }>(
      `subscription ($parentSession: String!) { workerStatusChanged(parentSession: $parentSession, after: 0) {
        status permission { id title } } }`,
      { parentSession },
    );
    await parent.until((all) => all.some(({ workerStatusChanged: { permission } }) => permission));
    parent.end();
    const told = parent.messages.map(({ workerStatusChanged }) => workerStatusChanged);
    expect(told.slice(-2)).toEqual([
      { status: "WAITING", permission: null },
      { status: "WAITING", permission: { id: request.id, title: "Delete everything" } },
    ]);
    const option = request.options.find(({ kind }) => kind === "allow_once");
    expect(await answer(server, { id, requestId: request.id, optionId: option!.id })).toEqual({
      name,
      status: "RUNNING",
    });
    const events = await hearAll(server, id);
    expect(
      events.flatMap((event) => (event.request === undefined ? [] : [event.request.answer])),
    ).toEqual([null, option!.id]);
    expect(wordsOf(events)).toContain(option!.id);
    expect((await readWorker(server, id)).status).toBe("SUCCEEDED");
    // Nothing of it is left.
    expect(await pendingOf(server, id)).toEqual([]);
    const input = { id, requestId: request.id, optionId: option!.id };
    expect(await server.codes(answerMutation, { input })).toEqual(["PERMISSION_ALREADY_ANSWERED"]);
  });

  test("shows what will be done, by its own arguments, wherever it is told", async () => {
    const parentSession = "shown";
    const call = {
      title: "Tidy up",
      kind: "edit",
      rawInput: { command: "rm -rf build\n\u202e\u0000" },
      locations: [{ path: "src/a.txt", line: 3 }],
      content: [{ type: "diff", path: "src/a.txt", oldText: "one\ntwo\n", newText: "one\n2\n" }],
    };
    const { id, name } = await work([`ask-call ${JSON.stringify(call)}`], {
      permissions: "ASK",
      parentSession,
    });
    const told = {
      title: "Tidy up",
      command: "rm -rf build\n\uFFFD\uFFFD",
      kind: "edit",
      locations: ["src/a.txt:3"],
      diff: "--- src/a.txt\n+++ src/a.txt\n@@ -1,2 +1,2 @@\n one\n-two\n+2",
    };
    const request = await untilAsked(server, id);
    expect(request).toMatchObject(told);
    expect((await readWorker(server, id)).statusReason).toMatch(/^asks: Tidy up \(rm -rf build/);
    const fields = "permission { title command kind locations diff }";
    const { waitForWorkers } = await server.query<{ waitForWorkers: { permission: unknown }[] }>(
      `{ waitForWorkers(parentSession: "${parentSession}", after: 0) { ${fields} } }`,
    );
    expect(waitForWorkers.flatMap(({ permission }) => permission ?? [])).toEqual([told]);
    const rest = await server.fetch(`/api/agents/sessions/${name}`);
    expect(await rest.json()).toMatchObject({ pendingPermissions: [told] });
    const shown = await runCommand(server, ["answer", name]);
    for (const line of ["kind: edit", "command: rm -rf build", "at: src/a.txt:3", "-two", "+2"]) {
      expect(shown.stdout).toContain(`\n  ${line}\n`);
    }
    await answer(server, { id, requestId: request.id, optionId: "no" });
    const events = await hearAll(server, id);
    const requests = events.flatMap((event) => event.request ?? []);
    expect(requests).toMatchObject([
      { ...told, answer: null },
      { ...told, answer: "no" },
    ]);
  });

  test("by the policy ALLOW is answered at once where it stays in the worktree, and asked where it doesn't", async () => {
    const { id } = await work(["ask Run it", "ask-path /etc/passwd Change it"], {
      permissions: "ALLOW",
    });
    const request = await untilAsked(server, id);
    expect(request.title).toBe("Change it");
    const option = request.options.find(({ kind }) => kind === "reject_once");
    await answer(server, { id, requestId: request.id, optionId: option!.id });
    const ended = await untilEnded(server, id);
    expect(ended.status).toBe("SUCCEEDED");
  });

  test("by the policy DENY is refused at once", async () => {
    const { id } = await work(["ask Run it"], { permissions: "DENY" });
    const events = await hearAll(server, id);
    expect(events.some(({ status }) => status === "WAITING")).toBe(false);
    const request = events.find((event) => event.request !== undefined)?.request;
    const chosen = request?.options.find((option) => option.id === request.answer);
    expect(chosen?.kind).toBe("reject_once");
  });

  test("an unknown request, an unknown option, a request of a session that has ended: each its code", async () => {
    const { id } = await work(["ask Run it"], { permissions: "ASK" });
    const request = await untilAsked(server, id);
    const optionId = request.options[0]!.id;
    const codes = (input: object) => server.codes(answerMutation, { input });
    expect(await codes({ id, requestId: "nonsense", optionId })).toEqual(["PERMISSION_NOT_FOUND"]);
    expect(await codes({ id, requestId: request.id, optionId: "nonsense" })).toEqual(["BAD_INPUT"]);
    expect(await pendingOf(server, id)).toHaveLength(1);
    await cancel(server, id);
    expect((await untilEnded(server, id)).status).toBe("CANCELLED");
    expect(await codes({ id, requestId: request.id, optionId })).toEqual(["WORKER_NOT_RUNNING"]);
  });
});

describe("a message", () => {
  test("to an agent that is busy waits, visibly, and is its next turn", async () => {
    const gate = join(folder, "gate-message");
    const { id } = await work(["say begun", `wait-file ${gate}`]);
    await untilSaid(server, id, "begun");
    const first = await send(server, { id, text: "do: say second turn", idempotencyKey: "once" });
    expect(first.created).toBe(false);
    await send(server, { id, text: "do: say second turn", idempotencyKey: "once" });
    await send(server, { id, text: "do: say third turn" });
    const { workerSession } = await server.query<{
      workerSession: { queuedMessages: { text: string }[] };
    }>("query ($id: ID!) { workerSession(id: $id) { queuedMessages { text } } }", { id });
    expect(workerSession.queuedMessages.map(({ text }) => text)).toEqual([
      "do: say second turn",
      "do: say third turn",
    ]);
    await writeFile(gate, "");
    const events = await hearAll(server, id);
    expect(wordsOf(events)).toMatch(/begun[^]*second turn[^]*third turn/);
    expect(wordsOf(events).match(/second turn/g)).toHaveLength(1);
    expect((await readWorker(server, id)).status).toBe("SUCCEEDED");
  });

  test("to a session that has ended makes a new one, which remembers, in the same worktree", async () => {
    const { id, name, branch } = await work(["say the word is swordfish"]);
    await untilEnded(server, id);
    const { created, worker } = await send(server, { id, text: "do: history" });
    expect(created).toBe(true);
    expect(worker).toMatchObject({ branch, previous: { name } });
    const events = await hearAll(server, worker.id);
    expect(wordsOf(events)).toContain("swordfish");
    // What was said before is not told again as if it were new.
    expect(events.filter(({ role }) => role === "USER")).toHaveLength(1);
    expect((await readWorker(server, worker.id)).status).toBe("SUCCEEDED");
  });

  test("to an agent that can't resume begins a new conversation, with the summary", async () => {
    const { id } = await work(["say the word is swordfish"], { agent: "forgetful" });
    await untilEnded(server, id);
    const { worker } = await send(server, { id, text: "do: history" });
    const events = await hearAll(server, worker.id);
    expect(wordsOf(events)).toContain("history: []");
    // What it was told instead.
    expect(wordsOf(events, "USER")).toMatch(/could not be resumed[^]*swordfish/);
    expect((await readWorker(server, worker.id)).status).toBe("SUCCEEDED");
  });

  test("to a shell is NOT_SUPPORTED; an empty one is BAD_INPUT", async () => {
    const { id } = await dispatch(server, { parentSession: "talks", repository, task: "true" });
    await untilEnded(server, id);
    expect(await server.codes(sendMutation, { input: { id, text: "hello" } })).toEqual([
      "NOT_SUPPORTED",
    ]);
    const talked = await work(["say hello"]);
    expect(await server.codes(sendMutation, { input: { id: talked.id, text: "" } })).toEqual([
      "BAD_INPUT",
    ]);
    await untilEnded(server, talked.id);
  });
});

describe("what can be done with an agent", () => {
  interface Capable {
    readonly capabilities: readonly string[] | null;
  }
  const list = async () => {
    const { agents } = await server.query<{ agents: readonly (Capable & { name: string })[] }>(
      "{ agents { name capabilities } }",
    );
    return new Map(agents.map(({ name, capabilities }) => [name, capabilities]));
  };
  const read = async (id: string) =>
    (
      await server.query<{ workerSession: Capable }>(
        "query ($id: ID!) { workerSession(id: $id) { capabilities } }",
        { id },
      )
    ).workerSession.capabilities;

  test("is listed with it, also with those of the operator's file, and is what messages are taken by", async () => {
    const listed = await list();
    expect(listed.get("shell")).toEqual(["COMMAND_TASK", "TERMINAL_OUTPUT"]);
    expect(listed.get("plain")).toEqual(["TERMINAL_OUTPUT"]);
    expect(listed.get("scripted")).toEqual(
      expect.arrayContaining(["MESSAGES", "FOLLOW_UP", "RESUME", "PERMISSIONS_ASK"]),
    );
    const headless = listed.get("headless") ?? [];
    expect(headless).toEqual(["FOLLOW_UP", "PERMISSIONS_DENY", "MAX_COST_USD", "MAX_TURNS"]);

    const talked = await work(["say hello"]);
    const printed = await work(["nothing"], { agent: "plain" });
    const silent = await work(["nothing"], { agent: "headless" });
    for (const { id } of [talked, printed, silent]) await untilEnded(server, id);
    expect(await read(talked.id)).toEqual(listed.get("scripted"));
    expect(await read(silent.id)).toEqual(headless);
    expect(await read(printed.id)).toEqual(["TERMINAL_OUTPUT"]);
    expect(await server.codes(sendMutation, { input: { id: printed.id, text: "hi" } })).toEqual([
      "NOT_SUPPORTED",
    ]);
    const { created, worker } = await send(server, { id: silent.id, text: "once more" });
    expect(created).toBe(true);
    await untilEnded(server, worker.id);
  });
});

describe("an end from outside", () => {
  test("tells that a message was not delivered any more", async () => {
    const { id } = await work(["say begun", "wait-cancel"]);
    await untilSaid(server, id, "begun");
    await send(server, { id, text: "do: say never heard" });
    await cancel(server, id);
    const ended = await untilEnded(server, id);
    expect(ended.status).toBe("CANCELLED");
    expect(ended.statusReason).toMatch(/a message to it could not be delivered/);
  });

  test("a cancelled agent is asked to stop first", async () => {
    const { id } = await work(["say begun", "wait-cancel"]);
    await untilSaid(server, id, "begun");
    await cancel(server, id);
    const ended = await untilEnded(server, id);
    expect(ended.status).toBe("CANCELLED");
  });

  test("a limit of cost ends the turn, with the reason", async () => {
    const { id } = await work(["usage 10 10 0.7", "wait-cancel"], { maxCostUsd: 0.5 });
    const ended = await untilEnded(server, id);
    expect(ended).toMatchObject({ status: "FAILED", failureCode: "LIMIT_EXCEEDED" });
    expect(ended.statusReason).toContain("maxCostUsd");
  });

  test("a parent's limit of cost ends all its workers, also those below them and those not begun", async () => {
    const parentSession = "thrifty";
    const idle = await work(["say begun", "wait-cancel"], { parentSession });
    await untilSaid(server, idle.id, "begun");
    const below = await work(["say begun", "wait-cancel"], { parentSession: idle.name });
    await untilSaid(server, below.id, "begun");
    const limit = (maxCostUsd: number) =>
      server.query(
        `mutation ($input: SetParentBudgetInput!) {
          setParentBudget(input: $input) { parentSession { name } }
        }`,
        { input: { parentSession, maxCostUsd } },
      );
    const gate = join(folder, "gate-thrifty");
    const spending = await work(
      ["say begun", `wait-file ${gate}`, "usage 10 10 0.7", "wait-cancel"],
      {
        parentSession,
      },
    );
    await untilSaid(server, spending.id, "begun");
    const waiting = await work(["say never"], { parentSession, branch: spending.branch });
    await limit(0.5);
    await writeFile(gate, "");
    for (const { id } of [idle, below, spending, waiting]) {
      const ended = await untilEnded(server, id);
      expect(ended).toMatchObject({ status: "FAILED", failureCode: "LIMIT_EXCEEDED" });
      expect(ended.statusReason).toMatch(/workers of thrifty have cost \$0.7 of the \$0.5/);
    }
    await limit(5);
    const last = await work(["say begun", "wait-cancel"], { parentSession });
    await untilSaid(server, last.id, "begun");
    await limit(0.6);
    expect((await untilEnded(server, last.id)).failureCode).toBe("LIMIT_EXCEEDED");
  });
});

describe("a server that is killed", () => {
  test("in the middle of a turn: what the agent said meanwhile is heard, once", async () => {
    const gate = join(folder, "gate-killed");
    const { id } = await work(["say begun", `wait-file ${gate}`, "say after"]);
    await untilSaid(server, id, "begun");
    await server.kill();
    await writeFile(gate, "");
    server = await server.restart();
    const events = await hearAll(server, id);
    expect(wordsOf(events).match(/begun/g)).toHaveLength(1);
    expect(wordsOf(events).match(/after/g)).toHaveLength(1);
    expect((await readWorker(server, id)).status).toBe("SUCCEEDED");
  });

  test("while a request waits: it waits still, and can be answered", async () => {
    const { id } = await work(["ask Run it", "say done"], { permissions: "ASK" });
    const request = await untilAsked(server, id);
    await server.kill();
    server = await server.restart();
    expect(await pendingOf(server, id)).toEqual([request]);
    const followed = followTalk(server, id);
    await answer(server, { id, requestId: request.id, optionId: request.options[0]!.id });
    await followed.completed;
    expect((await readWorker(server, id)).status).toBe("SUCCEEDED");
  });
});

describe("a server that is killed again and again", () => {
  test("says and hears each turn once, in order", async () => {
    const { id } = await work(["ask Begin"], { permissions: "ASK" });
    const turns = [0, 1, 2, 3, 4, 5];
    for (const turn of turns) {
      const request = await untilAsked(server, id);
      // Said when the turn that goes on has ended: by this server, or by the next one.
      await send(server, {
        id,
        text: `do: say turn ${String(turn)}.\ndo: ask Go on after ${String(turn)}`,
      });
      const answered = answer(server, {
        id,
        requestId: request.id,
        optionId: request.options[0]!.id,
      });
      // Its answer may be lost; it is recorded, or can be given again.
      if (turn % 2 === 0) await answered;
      else await answered.catch(() => undefined);
      await server.kill();
      server = await server.restart();
      const [waiting] = await pendingOf(server, id);
      if (waiting?.id === request.id) {
        await answer(server, { id, requestId: request.id, optionId: request.options[0]!.id });
      }
      await untilAskedFor(id, `Go on after ${String(turn)}`);
    }
    const last = await untilAsked(server, id);
    await answer(server, { id, requestId: last.id, optionId: last.options[0]!.id });
    const events = await hearAll(server, id);
    expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, index) => index + 1));
    expect([...wordsOf(events).matchAll(/turn (\d)\./g)].map(([, turn]) => Number(turn))).toEqual(
      turns,
    );
    // What the agent was told, as it remembers it: each turn once.
    const { worker } = await send(server, { id, text: "do: history" });
    const history = wordsOf(await hearAll(server, worker.id));
    expect([...history.matchAll(/do: say turn (\d)\./g)].map(([, turn]) => Number(turn))).toEqual(
      turns,
    );
  });

  async function untilAskedFor(id: string, title: string): Promise<void> {
    const followed = followTalk(server, id);
    await followed.until((all) =>
      all.some(({ workerEvents: { request } }) => request?.title === title),
    );
    followed.end();
  }
});

describe("a worker that waits for a permission", () => {
  const capacity = 4;
  const shell = { parentSession: "slots", repository, task: "true" };
  const ask = (lines: readonly string[]) =>
    work([...lines, "ask run it", "say over"], { permissions: "ASK" });
  const untilAllAsked = (lines: readonly string[] = []) =>
    Promise.all(
      Array.from({ length: capacity }, async () => {
        const { id } = await ask(lines);
        await untilAsked(server, id);
        return id;
      }),
    );
  const endAll = (ids: readonly string[]) =>
    Promise.all(
      ids.map(async (id) => {
        await cancel(server, id);
        await untilEnded(server, id);
      }),
    );

  test("takes no slot, as many as there are slots; answered it goes on at once", async () => {
    const waiting = await untilAllAsked();
    const { id: other } = await dispatch(server, shell);
    expect((await untilEnded(server, other)).status).toBe("SUCCEEDED");
    waiting.push(...(await untilAllAsked()));
    const { runners } = await server.query<{ runners: { running: number }[] }>(
      "{ runners { running } }",
    );
    expect(runners).toEqual([{ running: 0 }]);
    // Their agents take memory: the next one waits for the end of one of them.
    const next = await dispatch(server, shell);
    expect(await readWorker(server, next.id)).toMatchObject({
      status: "QUEUED",
      statusReason: "1st in the queue; 0 of 4 workers running, 8 waiting for an answer",
    });
    const [first = ""] = waiting.splice(0, 1);
    const [request] = await pendingOf(server, first);
    expect(
      await answer(server, { id: first, requestId: request?.id ?? "", optionId: "yes" }),
    ).toMatchObject({ status: "RUNNING" });
    expect((await untilEnded(server, first)).status).toBe("SUCCEEDED");
    expect((await untilEnded(server, next.id)).status).toBe("SUCCEEDED");
    await endAll(waiting);
  });

  test("takes no slot after a restart either, and goes on beside what took it", async () => {
    const waiting = await untilAllAsked();
    await server.kill();
    server = await server.restart();
    const gate = join(folder, "gate-slots");
    const others = await Promise.all(
      waiting.map(() => work([`wait-file ${gate}`, "say done"], { permissions: "ALLOW" })),
    );
    await Promise.all(others.map(({ id }) => untilStatus(server, id, "RUNNING")));
    for (const id of waiting) {
      const [request] = await pendingOf(server, id);
      await answer(server, { id, requestId: request?.id ?? "", optionId: "yes" });
      expect((await untilEnded(server, id)).status).toBe("SUCCEEDED");
    }
    await writeFile(gate, "");
    for (const { id } of others) {
      expect((await untilEnded(server, id)).status).toBe("SUCCEEDED");
    }
  });

  test("takes its slot while another tool of it runs", async () => {
    const busy = await untilAllAsked(["begin-tool build"]);
    const next = await dispatch(server, shell);
    const [last = ""] = busy.splice(-1);
    expect((await readWorker(server, next.id)).status).toBe("QUEUED");
    await endAll([last]);
    expect((await untilEnded(server, next.id)).status).toBe("SUCCEEDED");
    await endAll(busy);
  });
});
