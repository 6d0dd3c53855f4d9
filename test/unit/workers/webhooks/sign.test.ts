import { expect, test } from "@jest/globals";
import { signDelivery } from "../../../../src/workers/webhooks/sign.ts";

// Computed with: printf '1700000000.{"sequence":1}' | openssl dgst -sha256 -hmac 'a secret'
const known = "sha256=15c4f85e5149a781cef7ea85a610df5319a890871cf5ae0ac442dc884f81bd81";

test("a signature is the HMAC-SHA256 of the timestamp, a dot and the body", () => {
  expect(signDelivery("a secret", "1700000000", '{"sequence":1}')).toBe(known);
});

test("another secret, timestamp or body is another signature", () => {
  const signatures = [
    signDelivery("a secret", "1700000000", "x"),
    signDelivery("another", "1700000000", "x"),
    signDelivery("a secret", "1700000001", "x"),
    signDelivery("a secret", "1700000000", "y"),
  ];
  expect(new Set(signatures).size).toBe(signatures.length);
});
