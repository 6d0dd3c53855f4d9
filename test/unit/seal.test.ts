import { expect, test } from "@jest/globals";
import { createSealer } from "../../src/seal.ts";

const secret = "a secret ☃";

test("what is sealed is read with the same token, and with no other", () => {
  const sealed = createSealer("the operator's token", "credentials").seal(secret);
  expect(createSealer("the operator's token", "credentials").unseal(sealed)).toBe(secret);
  expect(createSealer("another token", "credentials").unseal(sealed)).toBeUndefined();
  expect(Buffer.from(sealed, "base64").toString("latin1")).not.toContain("secret");
});

test("what is sealed for one purpose is not read for another", () => {
  const sealed = createSealer("the operator's token", "credentials").seal(secret);
  expect(createSealer("the operator's token", "webhooks").unseal(sealed)).toBeUndefined();
});

test("the same text is sealed anew each time, and a changed one is refused", () => {
  const sealer = createSealer("the operator's token", "webhooks");
  const [one, other] = [sealer.seal(secret), sealer.seal(secret)];
  expect(one).not.toBe(other);
  const bytes = Buffer.from(one, "base64");
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
  expect(sealer.unseal(bytes.toString("base64"))).toBeUndefined();
});
