import { describe, expect, test } from "@jest/globals";
import type { Exited, ExitOutcome } from "../../../src/process/exit.ts";
import { judge as judgeWorker, judgeWithPush } from "../../../src/workers/conclude.ts";

/** Of an agent that speaks no protocol. */
function judge(
  session: Parameters<typeof judgeWorker>[0],
  exit: ExitOutcome,
  timedOut: boolean,
): ReturnType<typeof judgeWorker> {
  return judgeWorker(session, { exit, excess: undefined, told: null }, timedOut);
}

const quiet = {
  cancelRequestedAt: null,
  cancelReason: null,
  reportedOutcome: null,
  timeoutSeconds: 60,
  maxMemoryMib: null,
  blocked: [],
};
const cancelled = { ...quiet, cancelRequestedAt: new Date(), cancelReason: "enough" };

function exited(exit: Partial<Exited> = {}): Exited {
  return {
    kind: "exited",
    exitCode: 0,
    signal: null,
    endedAt: "2026-01-01T00:00:00.000Z",
    endedTick: 1,
    startFailure: null,
    ...exit,
  };
}
const lost: ExitOutcome = { kind: "lost", reason: "nobody knows" };

test("who went over its memory cap has failed, whatever it reported, and is told the cap and the setting", () => {
  const over = (session: Parameters<typeof judgeWorker>[0], timedOut = false) =>
    judgeWorker(
      session,
      { exit: exited(), excess: { limit: 512 * 2 ** 20 }, told: null },
      timedOut,
    );
  const failed = {
    status: "FAILED",
    failureCode: "MEMORY_EXCEEDED",
    reason: expect.stringMatching(/512 MiB.*FACTORY_WORKER_MEMORY/),
  };
  expect(over(quiet)).toEqual(failed);
  expect(over({ ...quiet, reportedOutcome: "SUCCEEDED" })).toEqual(failed);
  expect(over({ ...quiet, maxMemoryMib: 512 }).reason).toContain("a higher maxMemoryMib");
  expect(over(quiet, true).status).toBe("TIMED_OUT");
  expect(over(cancelled).status).toBe("CANCELLED");
});

test("whose model's host is refused has failed, unless it has found another way", () => {
  const refused = {
    ...quiet,
    blocked: [
      { host: "chatgpt.com", port: 443, reason: "unlisted" },
      { host: "api.openai.com", port: 443, reason: "unlisted", isNeeded: true },
    ],
  };
  expect(judge(refused, exited({ exitCode: null, signal: "SIGTERM" }), false)).toEqual({
    status: "FAILED",
    failureCode: "FORBIDDEN",
    reason: expect.stringContaining("api.openai.com, which no list allows"),
  });
  expect(judge({ ...refused, reportedOutcome: "SUCCEEDED" }, exited(), false).status).toBe(
    "SUCCEEDED",
  );
});

describe("what decides, strongest first", () => {
  const succeeded = { reportedOutcome: "SUCCEEDED" } as const;
  const failed = { reportedOutcome: "FAILED" } as const;

  test("a cancellation beats a timeout, a loss, a report and the exit", () => {
    for (const outcome of [exited(), exited({ exitCode: 1 }), lost]) {
      for (const report of [quiet, succeeded, failed]) {
        expect(judge({ ...cancelled, ...pick(report) }, outcome, true).status).toBe("CANCELLED");
      }
    }
  });

  test("a timeout beats a loss, a report and the exit", () => {
    for (const outcome of [exited(), lost]) {
      for (const report of [quiet, succeeded, failed]) {
        expect(judge({ ...quiet, ...pick(report) }, outcome, true)).toEqual({
          status: "TIMED_OUT",
          reason: "timed out after 60 s",
          failureCode: null,
        });
      }
    }
  });

  test("a loss beats a report", () => {
    for (const report of [quiet, succeeded, failed]) {
      expect(judge({ ...quiet, ...pick(report) }, lost, false)).toEqual({
        status: "LOST",
        reason: "nobody knows",
        failureCode: null,
      });
    }
  });

  test("a report beats the exit, either way", () => {
    for (const exit of [
      exited(),
      exited({ exitCode: 1 }),
      exited({ exitCode: null, signal: "SIGKILL" }),
    ]) {
      expect(judge({ ...quiet, ...succeeded }, exit, false).status).toBe("SUCCEEDED");
      expect(judge({ ...quiet, ...failed }, exit, false).status).toBe("FAILED");
    }
  });

  function pick({ reportedOutcome }: { reportedOutcome: "SUCCEEDED" | "FAILED" | null }) {
    return { reportedOutcome };
  }
});

describe("where the branch was to be pushed", () => {
  const succeeded = judge(quiet, exited(), false);
  const refused = { failure: { code: "FORBIDDEN", message: "not on Mondays" } } as const;

  test("success stands where it was", () => {
    expect(judgeWithPush(succeeded, { push: true }, { to: "there" })).toEqual(succeeded);
    expect(judgeWithPush(succeeded, { push: false }, null)).toEqual(succeeded);
  });

  test("a failed push is a failure with its reason, and so is one that wasn't begun", () => {
    expect(judgeWithPush(succeeded, { push: true }, refused)).toEqual({
      status: "FAILED",
      reason: "not on Mondays",
      failureCode: "FORBIDDEN",
    });
    expect(judgeWithPush(succeeded, { push: true }, null).status).toBe("FAILED");
  });

  test("every other end stands as it is", () => {
    for (const other of [
      judge(cancelled, exited(), false),
      judge(quiet, exited(), true),
      judge(quiet, lost, false),
      judge(quiet, exited({ exitCode: 1 }), false),
    ]) {
      for (const pushed of [null, refused, { to: "there" }]) {
        expect(judgeWithPush(other, { push: true }, pushed)).toEqual(other);
      }
    }
  });
});

describe("the reason", () => {
  test.each([
    [exited(), "SUCCEEDED", null],
    [exited({ exitCode: 1 }), "FAILED", "exit code 1"],
    [exited({ exitCode: 255 }), "FAILED", "exit code 255"],
    [exited({ exitCode: null, signal: "SIGSEGV" }), "FAILED", "ended by SIGSEGV"],
  ])("of an exit", (outcome, status, reason) => {
    expect(judge(quiet, outcome, false)).toEqual({ status, reason, failureCode: null });
  });

  test("of a cancellation names who asked, where they said why", () => {
    expect(judge(cancelled, exited(), false).reason).toBe("cancelled: enough");
    expect(judge({ ...cancelled, cancelReason: null }, exited(), false).reason).toBe("cancelled");
  });

  test.each(["DIRECTORY_UNAVAILABLE", "COMMAND_NOT_FOUND", "COMMAND_NOT_EXECUTABLE"] as const)(
    "of a program that never ran (%s) is no exit code",
    (startFailure) => {
      const { status, reason, failureCode } = judge(
        quiet,
        exited({ exitCode: 127, startFailure }),
        false,
      );
      expect([status, failureCode]).toEqual(["FAILED", "AGENT_UNAVAILABLE"]);
      expect(reason).not.toContain("127");
    },
  );
});
