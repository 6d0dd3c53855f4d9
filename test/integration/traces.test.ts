// One trace for each dispatch, at a collector of our own, which speaks OTLP.
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { startCollector, type CollectedSpan, type Collector } from "../support/collector.ts";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { startSeveral } from "../support/several.ts";
import {
  cancel,
  createGate,
  dispatch,
  dispatchMutation,
  eventually,
  readWorker,
  untilEnded,
  untilPrinted,
  type Worker,
} from "../support/workers.ts";

let git: GitServer;
let collector: Collector;
/** The one that runs now. */
let server: FactoryServer;
const repository = { owner: "acme", name: "app" };

beforeAll(async () => {
  [git, collector] = await Promise.all([startGitServer(), startCollector()]);
  await git.createRepository("acme", "app");
  server = await startFactory({
    git,
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_HEADERS: "x-tenant=a%2Cb",
      OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=test",
    },
  });
});

afterAll(async () => {
  await server.dispose();
  await Promise.all([git.stop(), collector.stop()]);
});

const of = (worker: string, name: string) => (span: CollectedSpan) =>
  span.name === name && span.attributes["factory.worker"] === worker;

/** All of one trace, once the session's own span, which is told last, has come. */
async function traceOf(worker: string): Promise<CollectedSpan[]> {
  const { traceId } = await collector.find(of(worker, "session"));
  return collector.spans.filter((span) => span.traceId === traceId);
}

/** The names from the span up to where its trace begins, or leaves Factory. */
function pathOf(span: CollectedSpan, trace: readonly CollectedSpan[]): string[] {
  const parent = trace.find(({ spanId }) => spanId === span.parentSpanId);
  return [span.name, ...(parent === undefined ? [] : pathOf(parent, trace))];
}

/** A call of `dispatchWorker` within a trace of its caller's. */
async function dispatchWithin(traceparent: string, task: string): Promise<Worker> {
  const input = { parentSession: "traced", agent: "shell", repository, task };
  const response = await server.fetch("/graphql", {
    method: "POST",
    headers: { "content-type": "application/json", traceparent },
    body: JSON.stringify({ query: dispatchMutation, variables: { input } }),
  });
  const { data } = (await response.json()) as { data: { dispatchWorker: { worker: Worker } } };
  return data.dispatchWorker.worker;
}

test("a dispatch is one trace through queue, git and agent, whose spans lie in each other", async () => {
  const before = Date.now();
  // So that the clone, which begins with the dispatch, doesn't end before the session waits for it.
  const hold = git.hold(/info\/refs/);
  const { name } = await dispatch(server, {
    parentSession: "traced",
    repository,
    branch: "traced",
    task: "git commit --allow-empty -m Empty",
    push: true,
  });
  await eventually(async () => (await readWorker(server, name)).status === "PREPARING");
  hold.release();
  const { status } = await untilEnded(server, name);
  expect(status).toBe("SUCCEEDED");
  const trace = await traceOf(name);

  const paths = new Set(trace.map((span) => pathOf(span, trace).join(" < ")));
  for (const path of [
    "dispatch",
    "session < dispatch",
    "queued < session < dispatch",
    "clone < session < dispatch",
    "fetch < session < dispatch",
    "worktree < session < dispatch",
    "git reset < worktree < session < dispatch",
    "spawn < session < dispatch",
    "agent < session < dispatch",
    "git push < push < session < dispatch",
  ]) {
    expect(paths).toContain(path);
  }
  const ids = trace.map(({ spanId }) => spanId);
  expect(ids).toHaveLength(new Set(ids).size);

  const [session, agent] = ["session", "agent"].map((kind) => trace.find(of(name, kind))!);
  expect(session).toMatchObject({
    failure: undefined,
    attributes: {
      "factory.status": "SUCCEEDED",
      "factory.agent": "shell",
      "factory.repository": "acme/app",
      "factory.branch": "traced",
    },
    resource: {
      "service.name": "factory",
      "service.version": expect.any(String),
      "deployment.environment.name": "test",
    },
  });
  for (const span of trace) {
    expect(span.start).toBeGreaterThanOrEqual(before);
    expect(span.end).toBeGreaterThanOrEqual(span.start);
    expect(span.end).toBeLessThanOrEqual(Date.now());
  }
  expect(agent!.start).toBeGreaterThanOrEqual(session!.start);
  expect(collector.headers[0]).toMatchObject({ "x-tenant": "a,b" });
});

test("a session that fails, and one that is cancelled in the queue, say so in their spans", async () => {
  const gate = await createGate();
  const branch = "traced-failure";
  const failing = await dispatch(server, {
    ...{ parentSession: "traced", repository, branch },
    task: `${gate.wait}; exit 3`,
  });
  const queued = await dispatch(server, {
    ...{ parentSession: "traced", repository, branch },
    task: "true",
  });
  await cancel(server, queued.name, "not needed");
  await gate.open();
  expect(await collector.find(of(failing.name, "session"))).toMatchObject({
    failure: "exit code 3",
    attributes: { "factory.status": "FAILED" },
  });
  expect(await collector.find(of(queued.name, "session"))).toMatchObject({
    failure: undefined,
    attributes: { "factory.status": "CANCELLED" },
  });
  await gate.dispose();
});

test("the caller's trace goes on in the dispatch, in the worker's environment and in its children", async () => {
  const [traceId, spanId] = ["4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"];
  const gate = await createGate();
  const task = `echo "$TRACEPARENT $FACTORY_TOKEN" >.given; echo given; ${gate.wait}`;
  const { name } = await dispatchWithin(`00-${traceId}-${spanId}-01`, task);
  await untilPrinted(server, name, "given");
  const { worktree } = await readWorker(server, name);
  const given = await readFile(join(worktree!.path, ".given"), "utf8");
  const [traceparent, token] = given.trim().split(" ");
  // Without a trace of its own: it belongs to that of the worker whose token it comes with.
  await dispatch(server, { parentSession: name, repository, task: "true" }, token);
  await gate.open();
  await collector.find(of(name, "session"));

  const trace = collector.spans.filter((span) => span.traceId === traceId);
  const agent = trace.find(of(name, "agent"))!;
  expect(trace.find(of(name, "dispatch"))?.parentSpanId).toBe(spanId);
  expect(traceparent).toBe(`00-${traceId}-${agent.spanId}-01`);
  expect(trace.find((span) => span.parentSpanId === agent.spanId)).toMatchObject({
    name: "dispatch",
    attributes: { "factory.parent_session": name },
  });
  await gate.dispose();
});

test("the factory command passes on the trace that it is started in", async () => {
  const [traceId, spanId] = ["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"];
  const main = join(import.meta.dirname, "..", "..", "src", "main.ts");
  const dispatched = ["dispatch", "true", "--agent", "shell"];
  const at = ["--parent", "traced", "--repo", "acme/app"];
  await promisify(execFile)(process.execPath, [main, ...dispatched, ...at], {
    env: {
      HOME: server.home,
      FACTORY_URL: server.url,
      FACTORY_TOKEN: server.token,
      TRACEPARENT: `00-${traceId}-${spanId}-01`,
    },
  });
  const dispatch = await collector.find((span) => span.traceId === traceId);
  expect(dispatch).toMatchObject({ name: "dispatch", parentSpanId: spanId });
});

test("a trace that its caller doesn't sample isn't sent", async () => {
  const traceId = "11111111111111111111111111111111";
  const unsampled = await dispatchWithin(`00-${traceId}-2222222222222222-00`, "true");
  await untilEnded(server, unsampled.name);
  const { name } = await dispatch(server, { parentSession: "traced", repository, task: "true" });
  // What ended later has come by now.
  await collector.find(of(name, "session"));
  expect(collector.spans.filter((span) => span.traceId === traceId)).toEqual([]);
});

test("a worker that outlives its server stays in its trace", async () => {
  const gate = await createGate();
  const { name } = await dispatch(server, {
    parentSession: "traced",
    repository,
    task: `echo up; ${gate.wait}`,
  });
  await untilPrinted(server, name, "up");
  expect(await server.terminate()).toBe(0);
  const earlier = await collector.find(of(name, "dispatch"));
  expect(collector.spans.some(of(name, "session"))).toBe(false);
  server = await server.restart();
  await gate.open();
  const trace = await traceOf(name);
  expect(trace).toContainEqual(earlier);
  const agents = trace.filter(of(name, "agent"));
  expect(agents.map((span) => pathOf(span, trace).join(" < "))).toEqual([
    "agent < session < dispatch",
  ]);
  expect(trace.map((span) => span.name)).toEqual(expect.arrayContaining(["queued", "spawn"]));
  // It ran while no server was there.
  const spawn = trace.find((span) => span.name === "spawn")!;
  expect(agents[0]!.start - spawn.end).toBeLessThan(1_000);
  await gate.dispose();
});

test("a trace goes from the api server to the runner", async () => {
  const several = await startSeveral(git, {
    runners: 1,
    env: { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.url}/v1/traces` },
  });
  try {
    const input = { parentSession: "several", repository, task: "true" };
    const { id } = await dispatch(several.api, input);
    await untilEnded(several.api, id);
    const isDispatch = (span: CollectedSpan) =>
      span.name === "dispatch" && span.attributes["factory.parent_session"] === "several";
    const { traceId } = await collector.find(isDispatch);
    await collector.find((span) => span.traceId === traceId && span.name === "session");
    const trace = collector.spans.filter((span) => span.traceId === traceId);
    const roleOf = (name: string) =>
      trace.find((span) => span.name === name)?.resource["factory.role"];
    expect(["dispatch", "queued", "agent", "session"].map(roleOf)).toEqual([
      "api",
      ...["runner", "runner", "runner"],
    ]);
  } finally {
    await several.dispose();
  }
});

test("an endpoint that is away costs a dispatch nothing, and is told of once", async () => {
  collector.answer(503);
  const told = () => server.log.filter((line) => line.includes("traces can't be sent"));
  for (let count = 0; count < 3; count += 1) {
    const { name } = await dispatch(server, { parentSession: "away", repository, task: "true" });
    expect((await untilEnded(server, name)).status).toBe("SUCCEEDED");
  }
  await eventually(() => told().length > 0);
  const { name } = await dispatch(server, { parentSession: "away", repository, task: "true" });
  await untilEnded(server, name);
  collector.answer(200);
  await eventually(() => server.log.some((line) => line.includes("traces are sent again")));
  expect(told()).toHaveLength(1);
});
