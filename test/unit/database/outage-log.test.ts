import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import { pino, type Logger } from "pino";
import { z } from "zod";
import { countOutages } from "../../../src/database/outage-log.ts";

const outage = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
const line = z.looseObject({ msg: z.string() });
let lines: z.infer<typeof line>[];
let logger: Logger;

beforeEach(() => {
  jest.useFakeTimers();
  lines = [];
  const root: Logger = pino(
    { base: null, timestamp: false, hooks: { logMethod: countOutages(() => root) } },
    { write: (text) => lines.push(line.parse(JSON.parse(text))) },
  );
  logger = root;
});

afterEach(() => {
  jest.useRealTimers();
});

const texts = () => lines.map(({ msg }) => msg);

test("what fails by an outage is written once, then counted once a minute until it is over", () => {
  const worker = logger.child({ worker: "worker-1" });
  for (let time = 0; time < 1000; time += 1) {
    logger.warn({ err: outage }, "a request failed");
    worker.error({ err: outage }, "output waits");
  }
  expect(texts()).toEqual(["a request failed", "output waits"]);
  jest.advanceTimersByTime(60_000);
  expect(lines).toHaveLength(3);
  expect(lines[2]).toMatchObject({ counts: { "a request failed": 999, "output waits": 999 } });
  expect(lines[2]).not.toHaveProperty("worker");
  logger.warn({ err: outage }, "a request failed");
  jest.advanceTimersByTime(60_000);
  expect(lines[3]).toMatchObject({ counts: { "a request failed": 1 } });
  jest.advanceTimersByTime(60_000);
  expect(lines[4]).toMatchObject({ held: 1999, msg: expect.stringContaining("is over") });
  jest.advanceTimersByTime(600_000);
  expect(lines).toHaveLength(5);
  // The next one.
  logger.warn({ err: outage }, "a request failed");
  expect(texts()[5]).toBe("a request failed");
});

test("all else is written as often as it comes", () => {
  for (let time = 0; time < 3; time += 1) {
    logger.warn({ err: new Error("a mistake") }, "a request failed");
    logger.info({ code: "ECONNREFUSED" }, "no error");
    logger.info("plain");
  }
  expect(lines).toHaveLength(9);
});

test("messages with names in them don't fill the log or the memory", () => {
  for (let time = 0; time < 1000; time += 1) {
    logger.warn({ err: outage }, `worker-${String(time)} waits`);
  }
  expect(lines).toHaveLength(101);
  jest.advanceTimersByTime(60_000);
  expect(lines[101]).toMatchObject({ counts: { others: 899 } });
});
