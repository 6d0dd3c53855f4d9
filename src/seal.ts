// Secrets in rows: for those alone who know the operator's token.
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";

const algorithm = "aes-256-gcm";
const nonceBytes = 12;
const tagBytes = 16;

/** What is sealed for one purpose can't be unsealed for another. */
export type SealPurpose = "credentials" | "webhooks";

export interface Sealer {
  seal(text: string): string;
  /** undefined: sealed with another token, or for another purpose. */
  unseal(sealed: string): string | undefined;
}

export function createSealer(token: string, purpose: SealPurpose): Sealer {
  const key = Buffer.from(hkdfSync("sha256", token, "", `factory ${purpose}`, 32));
  return {
    seal(text) {
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv(algorithm, key, nonce);
      const sealed = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString("base64");
    },
    unseal(sealed) {
      const bytes = Buffer.from(sealed, "base64");
      const decipher = createDecipheriv(algorithm, key, bytes.subarray(0, nonceBytes));
      decipher.setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes));
      try {
        const text = decipher.update(bytes.subarray(nonceBytes + tagBytes), undefined, "utf8");
        return text + decipher.final("utf8");
      } catch {
        // The tag doesn't fit: that is the answer. Source: Node.js, decipher.final().
        return undefined;
      }
    },
  };
}
