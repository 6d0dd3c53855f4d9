// A link that signs in the browser that opens it, printed for whoever started the server.
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";

/** Terminals keep what they have shown. */
const validMs = 3600_000;

export interface SignInLink {
  /** The path with a new code; the one before is no longer valid. */
  create(): string;
  /** Whether the code is right. From then on it isn't. */
  use(code: string): boolean;
}

export function createSignInLink(now: () => number = () => performance.now()): SignInLink {
  let valid: { readonly digest: Buffer; readonly until: number } | undefined;
  return {
    create() {
      const code = randomBytes(24).toString("base64url");
      valid = { digest: digest(code), until: now() + validMs };
      return `/sign-in?code=${code}`;
    },
    use(code) {
      if (valid === undefined || now() > valid.until) return false;
      if (!timingSafeEqual(valid.digest, digest(code))) return false;
      valid = undefined;
      return true;
    },
  };
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
