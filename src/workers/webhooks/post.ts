// One delivery over HTTP. Whoever is at the other end can make it neither slow nor large.
import { signDelivery } from "./sign.ts";

const answerTimeoutMs = 10_000;
/** Of the answer so much is read, for the log and so that the connection can be used again. */
const mostAnswerBytes = 4_096;
const longestExcerpt = 200;

export interface Post {
  readonly url: string;
  /** undefined: not signed. */
  readonly secret: string | undefined;
  /** The same for every try. */
  readonly deliveryId: string;
  readonly body: string;
}

/** gone: the endpoint wants nothing any more. */
export type Outcome =
  | { readonly kind: "delivered" }
  | { readonly kind: "gone" }
  | { readonly kind: "failed"; readonly reason: string };

/** @throws the signal's reason where it was aborted, whatever the receiver has made of it. */
export async function postDelivery(post: Post, signal: AbortSignal): Promise<Outcome> {
  const timestamp = String(Math.floor(Date.now() / 1000));
  const headers = {
    "Content-Type": "application/json",
    "User-Agent": "Factory",
    "X-Factory-Delivery": post.deliveryId,
    "X-Factory-Timestamp": timestamp,
    ...(post.secret === undefined
      ? {}
      : { "X-Factory-Signature": signDelivery(post.secret, timestamp, post.body) }),
  };
  const timeout = AbortSignal.timeout(answerTimeoutMs);
  try {
    const response = await fetch(post.url, {
      method: "POST",
      headers,
      body: post.body,
      // Followed, a signed delivery would go where the operator has not sent it.
      redirect: "manual",
      signal: AbortSignal.any([signal, timeout]),
    });
    const answer = await readStart(response);
    if (response.ok) return { kind: "delivered" };
    if (response.status === 410) return { kind: "gone" };
    return { kind: "failed", reason: describeStatus(response.status, answer) };
  } catch (error) {
    signal.throwIfAborted();
    if (timeout.aborted) {
      return { kind: "failed", reason: `no answer within ${String(answerTimeoutMs / 1000)} s` };
    }
    return { kind: "failed", reason: describeError(error) };
  }
}

function describeStatus(status: number, answer: string): string {
  if (status >= 300 && status < 400)
    return `it answered ${String(status)}: redirects are not followed`;
  // What isn't fit to be shown goes.
  const excerpt = answer
    .replace(/\p{Cc}+/gu, " ")
    .trim()
    .slice(0, longestExcerpt);
  const said = excerpt.toWellFormed();
  return said === "" ? `it answered ${String(status)}` : `it answered ${String(status)}: ${said}`;
}

/** fetch says no more than that it failed; what failed is the cause. */
function describeError(error: unknown): string {
  const cause = propertyOf(error, "cause") ?? error;
  const code = propertyOf(cause, "code") ?? propertyOf(cause, "name");
  return `it can't be reached: ${typeof code === "string" ? code : String(cause)}`;
}

function propertyOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return (value as Readonly<Record<string, unknown>>)[name];
}

/** The status has said what became of the delivery: a body that breaks off or hangs changes nothing. */
async function readStart({ body }: Response): Promise<string> {
  if (body === null) return "";
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  try {
    while (bytes <= mostAnswerBytes) {
      const { done, value } = await reader.read();
      if (done) return text;
      bytes += value.byteLength;
      text += decoder.decode(value, { stream: true });
    }
    await reader.cancel();
  } catch {
    // Broken off, or out of time: what was read stands.
  }
  return text;
}
