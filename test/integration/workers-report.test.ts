// What a worker does with its own token: reporting, and dispatching workers of its own.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import {
  cancel,
  createGate,
  dispatch,
  followParent,
  readWorker,
  untilEnded,
  untilPrinted,
} from "../support/workers.ts";

let git: GitServer;
let server: FactoryServer;
let folder: string;
const repository = { owner: "acme", name: "app" };
/** It begins as a path does. */
const secret = "/s3cret+deploy/value==";
const headers = "authorization=Bearer%20otel-secret-1234";

beforeAll(async () => {
  git = await startGitServer();
  await git.createRepository("acme", "app");
  await git.createRepository("acme", "other");
  folder = await mkdtemp(join(tmpdir(), "factory-report-"));
  await writeFile(join(folder, "secret"), secret);
  const env = {
    FACTORY_MAX_WORKERS: "8",
    DEPLOY_TOKEN: secret,
    OTEL_EXPORTER_OTLP_HEADERS: headers,
  };
  server = await startFactory({ git, env: { ...env, BRIEF_KEY: "abc1234" } });
});

afterAll(async () => {
  await server.dispose();
  await git.stop();
  await rm(folder, { recursive: true });
});

/** A shell command that sends a document, with its variables as JSON, and prints the answer as a line. */
function call(query: string, variables: object = {}): string {
  const body = JSON.stringify({ query, variables });
  return `curl -sS "$FACTORY_URL/graphql" -H "Authorization: Bearer $FACTORY_TOKEN" -H "content-type: application/json" --data-binary @- <<'END'
${body}
END
echo`;
}

const reportDocument = `mutation ($input: ReportWorkerInput!) {
  reportWorker(input: $input) { worker { name status summary } }
}`;

function report(message: string, outcome?: "SUCCEEDED" | "FAILED"): string {
  return call(reportDocument, {
    input: { message, ...(outcome === undefined ? {} : { outcome }) },
  });
}

interface Reply {
  readonly data: Readonly<Record<string, unknown>>;
  readonly errors?: readonly { message: string; extensions: { code: string } }[];
}

function answers(stdout: string): Reply[] {
  return stdout
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Reply);
}

describe("secrets of the server", () => {
  test("are left out of all that is kept of a worker, and of what is read live", async () => {
    const document = JSON.stringify(reportDocument);
    const send = `node -e 'const s = require("fs").readFileSync(process.argv[1], "utf8");
      fetch(process.env.FACTORY_URL + "/graphql", { method: "POST",
        headers: { "content-type": "application/json", authorization: "Bearer " + process.env.FACTORY_TOKEN },
        body: JSON.stringify({ query: ${document}, variables: { input: { message: "it is " + s + " " + process.env.FACTORY_TOKEN } } }),
      }).then((answer) => answer.text()).then(console.log)' "$file"`;
    const { id, branch } = await dispatch(server, {
      parentSession: "secrets",
      repository,
      task: `file=${join(folder, "secret")}; cat $file; base64 $file; printf '%s' "$FACTORY_TOKEN" | base64
        node -e 'console.log(encodeURIComponent(require("fs").readFileSync(process.argv[1], "utf8")))' $file
        node -e 'console.log(Buffer.from("otel-secret-1234").toString("base64"), "otel-secret-" + 1234)'
        cp $file committed; git add committed; git commit -qm "with $(cat $file)"; cp $file changed
        ${send}`,
    });
    const ended = await untilEnded(server, id);
    const all = await server.query<object>(
      `query ($id: ID!, $branch: String!) {
        workerSession(id: $id) { summary statusReason commits { subject } worktree { diff { text } } }
        worktree(owner: "acme", name: "app", branch: $branch) { diff { text } }
      }`,
      { id, branch },
    );
    const kept = JSON.stringify([ended.events, all]);
    const otel = "otel-secret-1234";
    const inBase64 = (text: string) => Buffer.from(text).toString("base64").slice(0, -3);
    const forms = [secret, encodeURIComponent(secret), inBase64(secret), otel, inBase64(otel)];
    for (const form of [...forms, "factory_worker_", "ZmFjdG9yeV93b3JrZXJf"]) {
      expect(kept).not.toContain(form);
    }
    expect(ended.summary).toBe("it is [redacted] [redacted]");
    expect(ended.commits.map(({ subject }) => subject)).toEqual(["with [redacted]"]);
    expect(kept).toContain("+[redacted]");
    expect(server.log.join("")).toContain("BRIEF_KEY");
  });
});

describe("a report", () => {
  test("reaches the parent's stream and the worker's own, as it was said", async () => {
    const parentSession = "report";
    const watched = followParent(server, parentSession, 0);
    const message = 'Half done: 3 of 6 tests pass.\n"Quoted", é, 😀';
    const { id, name } = await dispatch(server, {
      parentSession,
      repository,
      task: report(message),
    });
    const ended = await untilEnded(server, id);
    expect(answers(ended.stdout)).toEqual([
      { data: { reportWorker: { worker: { name, status: "RUNNING", summary: message } } } },
    ]);
    expect(ended).toMatchObject({ status: "SUCCEEDED", summary: message });
    expect(ended.events.filter((event) => event.__typename === "WorkerReportEvent")).toMatchObject([
      { message, outcome: null },
    ]);
    const changes = (await watched.first(5)).map(({ workerStatusChanged }) => workerStatusChanged);
    expect(changes[3]).toMatchObject({
      sequence: 4,
      previousStatus: "RUNNING",
      status: "RUNNING",
      report: message,
      outcome: null,
      worker: { name },
    });
    expect(changes.filter((change) => change.report !== null)).toHaveLength(1);
  });

  test("can be sent with Node's fetch", async () => {
    const script = `fetch(process.env.FACTORY_URL + "/graphql", { method: "POST",
      headers: { "content-type": "application/json", authorization: "Bearer " + process.env.FACTORY_TOKEN },
      body: JSON.stringify({ query: 'mutation { reportWorker(input: { message: "from node" }) { worker { summary } } }' })
    }).then((response) => response.text()).then(console.log)`;
    const { id } = await dispatch(server, {
      parentSession: "report-node",
      repository,
      task: `node -e '${script.replaceAll("'", String.raw`'\''`)}'`,
    });
    const ended = await untilEnded(server, id);
    expect(ended.stderr).toBe("");
    expect(answers(ended.stdout)).toEqual([
      { data: { reportWorker: { worker: { summary: "from node" } } } },
    ]);
  });

  test.each([
    [
      "failure beats exit code 0",
      `${report("no", "FAILED")}; exit 0`,
      "FAILED",
      "reported failure",
    ],
    [
      "success beats exit code 5",
      `${report("yes", "SUCCEEDED")}; exit 5`,
      "SUCCEEDED",
      "reported success; no commits were made",
    ],
    [
      "the last outcome counts, whatever is reported after it",
      `${report("bad", "FAILED")}\n${report("good", "SUCCEEDED")}\n${report("by the way")}\nexit 1`,
      "SUCCEEDED",
      "reported success; no commits were made",
    ],
    [
      "without an outcome the exit code decides",
      `${report("hm")}; exit 4`,
      "FAILED",
      "exit code 4",
    ],
  ])("outcome: %s", async (_what, task, status, reason) => {
    const { id } = await dispatch(server, {
      parentSession: "outcomes",
      repository,
      task: task.replaceAll("echo;", "echo\n"),
    });
    const ended = await untilEnded(server, id);
    expect(answers(ended.stdout).filter(({ errors }) => errors !== undefined)).toEqual([]);
    expect(ended).toMatchObject({ status, statusReason: reason });
  });

  test("the process goes on after an outcome, and a cancellation beats it", async () => {
    const gate = await createGate();
    const { id } = await dispatch(server, {
      parentSession: "outcomes",
      repository,
      task: `${report("done", "SUCCEEDED")}\necho on; ${gate.wait}`,
    });
    await untilPrinted(server, id, "\non\n");
    expect((await readWorker(server, id)).status).toBe("RUNNING");
    await cancel(server, id);
    expect(await untilEnded(server, id)).toMatchObject({ status: "CANCELLED", summary: "done" });
    await gate.dispose();
  });

  test("with the operator's token is FORBIDDEN", async () => {
    expect(await server.codes(reportDocument, { input: { message: "x" } })).toEqual(["FORBIDDEN"]);
  });

  test("a malformed message is BAD_INPUT, and nobody hears of it", async () => {
    const tooLong = `printf '{"query":"mutation { reportWorker(input: { message: \\\\"%s\\\\" }) { worker { name } } }"}' "$(head -c 100001 /dev/zero | tr '\\0' x)" |
      curl -sS "$FACTORY_URL/graphql" -H "Authorization: Bearer $FACTORY_TOKEN" -H "content-type: application/json" --data-binary @-; echo`;
    const { id } = await dispatch(server, {
      parentSession: "report-bad",
      repository,
      task: [report(" "), report("\ud800"), tooLong].join("\n"),
    });
    const ended = await untilEnded(server, id);
    const errors = answers(ended.stdout).map((answer) => answer.errors?.[0]);
    expect(errors.map((error) => error?.extensions.code)).toEqual([
      "BAD_INPUT",
      "BAD_INPUT",
      "BAD_INPUT",
    ]);
    expect(errors.map((error) => error?.message)).toEqual([
      expect.stringMatching(/^message is empty/),
      expect.stringMatching(/^message .*Unicode/),
      expect.stringMatching(/^message has 100001 bytes: it may have 100000/),
    ]);
    expect(ended.summary).toBeNull();
    expect(ended.events.some((event) => event.__typename === "WorkerReportEvent")).toBe(false);
  });

  test("is refused after the session's end: the token has ended with it", async () => {
    const { id } = await dispatch(server, {
      parentSession: "report-late",
      repository,
      task: `printf %s "$FACTORY_TOKEN" | rev; echo; ${report("early")}`,
    });
    const ended = await untilEnded(server, id);
    const token = Array.from(ended.stdout.split("\n")[0]!).toReversed().join("");
    expect(token).toMatch(/^factory_worker_/);
    const response = await fetch(`${server.url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body: JSON.stringify({ query: reportDocument, variables: { input: { message: "late" } } }),
    });
    expect(response.status).toBe(401);
    expect((await readWorker(server, id)).summary).toBe("early");
  });
});

describe("a worker that dispatches", () => {
  const childDocument = `mutation ($input: DispatchWorkerInput!) {
    dispatchWorker(input: $input) { worker { name parentWorker { name } } }
  }`;
  /** The parent's own name is known to the shell alone. */
  const child = (input: object) =>
    call(childDocument, { input: { parentSession: "@SELF@", agent: "shell", ...input } })
      .replace(
        "--data-binary @- <<'END'",
        "--data-binary @<(sed \"s/@SELF@/$FACTORY_WORKER/g\" <<'END'",
      )
      .replace(/END\necho$/, "END\n)\necho");

  test("is the parent of its children, which it can follow, read and cancel", async () => {
    const gate = await createGate();
    const { id, name } = await dispatch(server, {
      parentSession: "grandparent",
      repository,
      task: `${child({ task: `echo child; ${gate.wait}`, repository })}\necho dispatched; ${gate.wait}`,
    });
    const printed = await untilPrinted(server, id, "dispatched");
    const [answer] = answers(printed);
    expect(answer?.errors).toBeUndefined();
    const created = answer!.data["dispatchWorker"] as {
      worker: { name: string; parentWorker: { name: string } };
    };
    expect(created.worker.parentWorker).toEqual({ name });
    await untilPrinted(server, created.worker.name, "child");

    const { workerSession, parentSession, children } = await server.query<Record<string, unknown>>(
      `query ($id: ID!, $name: String!, $child: ID!) {
        workerSession(id: $id) { parentWorker { name } children { totalCount nodes { name parentSession { name } } } }
        parentSession(name: $name) { name workerCounts { total running } }
        children: workerSession(id: $child) { parentWorker { name } parentSession { name } }
      }`,
      { id, name, child: created.worker.name },
    );
    expect(workerSession).toEqual({
      parentWorker: null,
      children: {
        totalCount: 1,
        nodes: [{ name: created.worker.name, parentSession: { name } }],
      },
    });
    expect(parentSession).toEqual({ name, workerCounts: { total: 1, running: 1 } });
    expect(children).toEqual({ parentWorker: { name }, parentSession: { name } });

    await gate.open(2);
    await untilEnded(server, id);
    expect((await untilEnded(server, created.worker.name)).status).toBe("SUCCEEDED");
    const followed = followParent(server, name, 0);
    const changes = await followed.first(4);
    expect(changes.map((one) => one.workerStatusChanged.status)).toEqual([
      "QUEUED",
      "PREPARING",
      "RUNNING",
      "SUCCEEDED",
    ]);
    // Its own parent hears of it alone.
    const above = followParent(server, "grandparent", 0);
    const told = await above.first(4);
    expect(new Set(told.map((one) => one.workerStatusChanged.worker.name))).toEqual(
      new Set([name]),
    );
    await gate.dispose();
  });

  test("dispatches as nobody else, and to no other repository", async () => {
    const { id } = await dispatch(server, {
      parentSession: "bounds",
      repository,
      task: [
        child({ task: "true", repository, parentSession: "bounds" }),
        child({ task: "true", repository: { owner: "acme", name: "other" } }),
        child({ task: "true", repository: { owner: "acme", name: "never-cloned" } }),
        child({ task: "true", issue: "https://github.com/acme/other/issues/1" }),
      ].join("\n"),
    });
    const { stdout } = await untilEnded(server, id);
    expect(answers(stdout).map(({ errors }) => errors?.[0]?.extensions.code)).toEqual([
      "FORBIDDEN",
      "FORBIDDEN",
      "FORBIDDEN",
      "FORBIDDEN",
    ]);
    const { repositories } = await server.query<{ repositories: { nodes: unknown[] } }>(
      `{ repositories { nodes { nameWithOwner } } }`,
    );
    expect(repositories.nodes).toEqual([{ nameWithOwner: "acme/app" }]);
  });

  test("children of children know all workers above them", async () => {
    const gate = await createGate();
    const inner = `echo third; ${gate.wait}`;
    const middle = `${child({ task: inner, repository })}\necho second; ${gate.wait}`;
    const { id, name } = await dispatch(server, {
      parentSession: "generations",
      repository,
      task: `${child({ task: middle, repository }).replaceAll("END", "OUTER")}\necho first; ${gate.wait}`,
    });
    await untilPrinted(server, id, "first");
    interface Generation {
      readonly name: string;
      readonly children: { nodes: Generation[] };
    }
    const { workerSession: second } = await server.query<{ workerSession: Generation }>(
      `query ($id: ID!) { workerSession(id: $id) { name children { nodes { name } } } }`,
      { id },
    );
    const secondName = second.children.nodes[0]!.name;
    await untilPrinted(server, secondName, "second");
    const { workerSession } = await server.query<{ workerSession: Generation }>(
      `query ($id: ID!) { workerSession(id: $id) { name children { nodes { name children { nodes { name } } } } } }`,
      { id },
    );
    const thirdName = workerSession.children.nodes[0]!.children.nodes[0]!.name;
    await untilPrinted(server, thirdName, "third");
    const { workerSession: third } = await server.query<{ workerSession: unknown }>(
      `query ($id: ID!) { workerSession(id: $id) { parentWorker { name parentWorker { name parentWorker { name } } } } }`,
      { id: thirdName },
    );
    expect(third).toEqual({
      parentWorker: { name: secondName, parentWorker: { name, parentWorker: null } },
    });
    await gate.open(3);
    await Promise.all([id, secondName, thirdName].map((one) => untilEnded(server, one)));
    await gate.dispose();
  });
});
