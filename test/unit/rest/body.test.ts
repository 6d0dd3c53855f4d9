import { expect, test } from "@jest/globals";
import { readBody } from "../../../src/rest/body.ts";

function request(body: BodyInit | null, type = "application/json"): Request {
  const headers: HeadersInit = type === "" ? {} : { "content-type": type };
  // What is a stream must say so, which the type doesn't know yet.
  const init: RequestInit & { duplex: "half" } = { method: "POST", headers, body, duplex: "half" };
  return new Request("http://factory.test/api", init);
}

test("a body is read as JSON, and none is none, whatever its type", async () => {
  expect(await readBody(request(`\ufeff{"a": "ü"}`))).toEqual({ a: "ü" });
  expect(await readBody(request("null"))).toBeNull();
  expect(await readBody(request(null, ""))).toBeUndefined();
  expect(await readBody(request("", "application/x-www-form-urlencoded"))).toBeUndefined();
});

test("a client that leaves in the middle of its body is no failure of the server's", async () => {
  const broken = new ReadableStream({
    pull(controller) {
      controller.error(Object.assign(new Error("aborted"), { code: "ECONNRESET" }));
    },
  });
  await expect(readBody(request(broken))).rejects.toMatchObject({ code: "BAD_INPUT" });
});
