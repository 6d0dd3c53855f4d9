import { expect, test } from "@jest/globals";
import { checkWebhook } from "../../../../src/workers/webhooks/check.ts";

test.each([["https://example.org/hook?token=x"], ["http://127.0.0.1:8080"], ["http://[::1]/a"]])(
  "%s may be a webhook",
  (url) => {
    expect(() => {
      checkWebhook(url, "a secret");
    }).not.toThrow();
  },
);

test.each([
  ["", "empty"],
  ["example.org/hook", "can't be read"],
  ["file:///etc/passwd", "neither http nor https"],
  ["javascript:alert(1)", "neither http nor https"],
  ["https://user:hunter2@example.org/", "password"],
  ["https://user@example.org/", "password"],
  ["https://example.org/a b", "percent-encoded"],
  ["https://example.org/\n", "percent-encoded"],
])("%j may not, and the message shows no secret of it", (url, why) => {
  const check = () => {
    checkWebhook(url, undefined);
  };
  expect(check).toThrow(expect.objectContaining({ code: "BAD_INPUT" }));
  expect(check).toThrow(why);
  expect(check).not.toThrow("hunter2");
});

test("a secret that is empty or too long is refused", () => {
  for (const secret of ["", "x".repeat(1_001)]) {
    expect(() => {
      checkWebhook("https://example.org/", secret);
    }).toThrow(expect.objectContaining({ code: "BAD_INPUT" }));
  }
});

test("a url of 2,000 characters may be one, and a longer one not", () => {
  const longest = `https://example.org/${"a".repeat(1_980)}`;
  const check = (url: string) => () => {
    checkWebhook(url, undefined);
  };
  expect(check(longest)).not.toThrow();
  expect(check(`${longest}a`)).toThrow("2000 characters");
});
