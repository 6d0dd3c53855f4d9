import { createHmac } from "node:crypto";

/** What the receiver computes too: the body alone could be sent again later by whoever saw it. */
export function signDelivery(secret: string, timestamp: string, body: string): string {
  const digest = createHmac("sha256", secret).update(`${timestamp}.${body}`).digest("hex");
  return `sha256=${digest}`;
}
