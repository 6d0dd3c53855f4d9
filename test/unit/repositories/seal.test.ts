import { expect, test } from "@jest/globals";
import { createSealer } from "../../../src/repositories/seal.ts";

const credentials = { username: "somebody", password: "a secret ☃" };

test("what is sealed is read with the same token, and with no other", () => {
  const sealed = createSealer("the operator's token").seal(credentials);
  expect(createSealer("the operator's token").unseal(sealed)).toEqual(credentials);
  expect(createSealer("another token").unseal(sealed)).toBeUndefined();
  expect(Buffer.from(sealed, "base64").toString("latin1")).not.toContain("secret");
});

test("the same credentials are sealed anew each time, and a changed text is refused", () => {
  const sealer = createSealer("the operator's token");
  const [one, other] = [sealer.seal(credentials), sealer.seal(credentials)];
  expect(one).not.toBe(other);
  const bytes = Buffer.from(one, "base64");
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
  expect(sealer.unseal(bytes.toString("base64"))).toBeUndefined();
});
