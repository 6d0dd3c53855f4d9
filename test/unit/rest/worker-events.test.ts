import { expect, test } from "@jest/globals";
import { isInterfaceType } from "graphql";
import { schema } from "../../../src/graphql/schema.ts";
import { workerEvent } from "../../../src/rest/events.ts";

test("every event of a worker can be streamed: one that isn't known would end the stream", () => {
  const type = schema.getType("WorkerEvent");
  if (!isInterfaceType(type)) throw new Error("WorkerEvent is no interface");
  const known = workerEvent.options.map(({ shape }) => [...shape.__typename.values][0]);
  expect(known.toSorted()).toEqual(
    schema
      .getPossibleTypes(type)
      .map(({ name }) => name)
      .toSorted(),
  );
});
