// What needs a runner's files is done by that runner, whichever server was asked.
import type { PrismaClient } from "../database/client.ts";
import { FactoryError, isErrorCode } from "../errors.ts";
import { appendEvents } from "../events/append.ts";
import type { Notices } from "../events/notices.ts";
import { describeFailure } from "../database/failure.ts";
import type { Logger } from "../log.ts";
import type { CallQueue, QueuedCall } from "../queue/call-queue.ts";
import type { LeaseJudge } from "./list.ts";
import type { Sight } from "./sight.ts";
import { createWake } from "../wake.ts";

/** In case a notice was lost, both sides look for themselves this often. */
const lookAgainMs = 5_000;

/** A call's name, and the types of what it takes and gives: both go as JSON. */
export interface RunnerMethod<Input extends object, Output extends object> {
  readonly name: string;
  /** Never there: it carries the types. */
  readonly types?: readonly [Input, Output];
}

export function runnerMethod<Input extends object, Output extends object>(
  name: string,
): RunnerMethod<Input, Output> {
  return { name };
}

export interface RunnerCalls extends LeaseJudge {
  /** What this server's runner does when it is called. Before `start`. */
  handle<Input extends object, Output extends object>(
    method: RunnerMethod<Input, Output>,
    run: (input: Input, signal: AbortSignal) => Promise<Output>,
  ): void;
  /**
   * Resolves with the answer. The signal ends the wait; what has begun there goes on.
   * @throws FactoryError as thrown there; RUNNER_UNAVAILABLE where its lease has ended, before or meanwhile
   */
  call<Input extends object, Output extends object>(
    runnerId: string,
    method: RunnerMethod<Input, Output>,
    input: Input,
    signal?: AbortSignal,
  ): Promise<Output>;
  /** Begins to answer. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

type Handler = (input: unknown, signal: AbortSignal) => Promise<object>;
type Answer = { readonly output: object } | { readonly code: string; readonly message: string };

export interface RunnerCallsDependencies {
  readonly prisma: PrismaClient;
  readonly queue: CallQueue;
  readonly notices: Notices;
  readonly runnerId: string | undefined;
  readonly sight: Pick<Sight, "graceMs">;
  readonly logger: Logger;
}

export function createRunnerCalls(deps: RunnerCallsDependencies): RunnerCalls {
  const { prisma, queue, notices, runnerId: own, sight, logger } = deps;
  const handlers = new Map<string, Handler>();
  const stopping = new AbortController();
  const underway = new Set<Promise<void>>();
  let taking: Promise<void> | undefined;
  let unwatch: (() => void) | undefined;
  let timer: NodeJS.Timeout | undefined;

  function handlerOf(method: string): Handler {
    const handler = handlers.get(method);
    if (handler !== undefined) return handler;
    throw new FactoryError(
      "RUNNER_UNAVAILABLE",
      `this runner does not know ${method}: run the same version of Factory everywhere`,
    );
  }

  async function perform(runnerId: string, { id, method, input }: QueuedCall): Promise<void> {
    let answer: Answer;
    try {
      answer = { output: await handlerOf(method)(input, stopping.signal) };
    } catch (error) {
      answer = describeFailure(error, logger);
    }
    await queue.answer(runnerId, id, answer);
    await wake(answerTopic(id));
  }

  function wake(topic: string): Promise<void> {
    return appendEvents(prisma, [], [topic]);
  }

  async function takeAll(runnerId: string): Promise<void> {
    for (;;) {
      const calls = stopping.signal.aborted ? [] : await queue.take(runnerId);
      if (calls.length === 0) return;
      for (const call of calls) {
        const done = perform(runnerId, call)
          .catch((error: unknown) => {
            logger.error({ err: error, method: call.method }, "a call could not be answered");
          })
          .finally(() => underway.delete(done));
        underway.add(done);
      }
    }
  }

  function take(runnerId: string): void {
    const next = (taking ?? Promise.resolve())
      .then(() => takeAll(runnerId))
      .catch((error: unknown) => {
        logger.warn({ err: error }, "calls could not be read; trying again soon");
      })
      .finally(() => {
        if (taking === next) taking = undefined;
      });
    taking = next;
  }

  async function ask(
    runnerId: string,
    method: string,
    input: object,
    signal: AbortSignal,
  ): Promise<object> {
    const answered = createWake();
    await assertAlive(prisma, runnerId, sight.graceMs());
    const id = await queue.send(runnerId, { method, input });
    const unwatchAnswer = notices.watch(answerTopic(id), answered.notify);
    try {
      await wake(callTopic(runnerId));
      for (;;) {
        const answer = await queue.readAnswer(runnerId, id);
        if (answer !== undefined) return read(answer);
        await assertAlive(prisma, runnerId, sight.graceMs());
        signal.throwIfAborted();
        await answered.wait(lookAgainMs, signal);
      }
    } finally {
      unwatchAnswer();
      await queue.forget(runnerId, id);
    }
  }

  return {
    runnerId: own,
    graceMs: () => sight.graceMs(),
    handle(method, run) {
      // The types are those of the method, with which `call` has sent it.
      handlers.set(method.name, run as unknown as Handler);
    },
    async call(runnerId, method, input, signal = stopping.signal) {
      const output =
        runnerId === own
          ? await handlerOf(method.name)(input, signal)
          : await ask(runnerId, method.name, input, AbortSignal.any([signal, stopping.signal]));
      return output as NonNullable<typeof method.types>[1];
    },
    async start() {
      if (own === undefined) return;
      await queue.open(own);
      unwatch = notices.watch(callTopic(own), () => {
        take(own);
      });
      timer = setInterval(() => {
        take(own);
      }, lookAgainMs);
    },
    async stop() {
      stopping.abort(new Error("the server stops"));
      unwatch?.();
      clearInterval(timer);
      await taking;
      await Promise.all(underway);
    },
  };
}

/** @throws FactoryError RUNNER_UNAVAILABLE */
async function assertAlive(prisma: PrismaClient, runnerId: string, graceMs: number): Promise<void> {
  const [runner] = await prisma.$queryRaw<{ name: string; alive: boolean; lastSeenAt: Date }[]>`
    SELECT name, ("leaseEndsAt" > now() - ${graceMs} * interval '1 ms') IS TRUE AS alive, "lastSeenAt"
    FROM "Runner" WHERE id = ${runnerId}::uuid`;
  if (runner?.alive === true) return;
  throw new FactoryError(
    "RUNNER_UNAVAILABLE",
    runner === undefined
      ? "the runner that holds it is not known any more"
      : `the runner ${runner.name}, which holds it, is away since ${runner.lastSeenAt.toISOString()}: start it again, and ask again`,
  );
}

function read(answer: object): object {
  // Written by `perform` alone, on whichever server.
  const { output, code, message } = answer as { output?: object; code?: string; message?: string };
  if (output !== undefined) return output;
  throw new FactoryError(
    code !== undefined && isErrorCode(code) ? code : "INTERNAL",
    message ?? "the runner gave no answer",
  );
}

function callTopic(runnerId: string): string {
  return `calls:${runnerId}`;
}

function answerTopic(id: string): string {
  return `answer:${id}`;
}
