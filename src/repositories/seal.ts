// Credentials on their way to other runners: in the row, for those alone who know the operator's token.
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import type { Credentials } from "../git/remote-url.ts";

const algorithm = "aes-256-gcm";
const nonceBytes = 12;
const tagBytes = 16;

export interface Sealer {
  seal(credentials: Credentials): string;
  /** undefined: sealed with another token. */
  unseal(sealed: string): Credentials | undefined;
}

export function createSealer(token: string): Sealer {
  const key = Buffer.from(hkdfSync("sha256", token, "", "factory credentials", 32));
  return {
    seal(credentials) {
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv(algorithm, key, nonce);
      const text = Buffer.concat([cipher.update(JSON.stringify(credentials)), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), text]).toString("base64");
    },
    unseal(sealed) {
      const bytes = Buffer.from(sealed, "base64");
      const cipher = createDecipheriv(algorithm, key, bytes.subarray(0, nonceBytes));
      cipher.setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes));
      try {
        const text = cipher.update(bytes.subarray(nonceBytes + tagBytes), undefined, "utf8");
        // Sealed by this file alone, which the tag has shown.
        return JSON.parse(text + cipher.final("utf8")) as Credentials;
      } catch {
        // The tag doesn't fit: that is the answer. Source: Node.js, decipher.final().
        return undefined;
      }
    },
  };
}
