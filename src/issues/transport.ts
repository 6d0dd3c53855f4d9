// One way to all hosts: what a host may do to us is bounded here, whichever it is.
import { createBackoff } from "../backoff.ts";
import { explainNetworkFailure } from "../network-failure.ts";
import { readText } from "../read-text.ts";
import { IssueFault } from "./fault.ts";

export interface TransportOptions {
  /** Where the API begins, without a slash at its end. The token goes to its origin and nowhere else. */
  readonly api: string;
  readonly token: string;
  /** Ends everything, tries and waits included. */
  readonly signal: AbortSignal;
}

export interface Transport {
  /**
   * GETs a path below the API's address, with the token; tries again after passing failures.
   * @returns a successful answer, whose body is in memory
   * @throws IssueFault; the signal's reason
   */
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Answer>;
}

export interface Answer {
  readonly headers: Headers;
  readonly text: string;
}

type Outcome =
  | { readonly kind: "answer"; readonly answer: Answer }
  | { readonly kind: "redirect"; readonly target: URL }
  /** Another try may succeed; `waitMs` is what the host asks for. */
  | { readonly kind: "passing"; readonly reason: string; readonly waitMs: number };

/** Some 50 long comments; what is longer is nothing that an agent should read. */
const mostBytes = 4 * 1024 * 1024;
/** An issue of a repository that was renamed or moved answers with one. */
const mostRedirects = 3;
const mostTries = 4;
const firstRetryMs = 250;

export function createTransport({ api, token, signal }: TransportOptions): Transport {
  const { origin, host } = new URL(api);

  async function send(url: URL, headers: Readonly<Record<string, string>>): Promise<Outcome> {
    try {
      const response = await fetch(url, {
        headers: { ...headers, authorization: `Bearer ${token}` },
        // fetch itself would follow to wherever it is told.
        redirect: "manual",
        signal,
      });
      return await read(response, url);
    } catch (error) {
      if (error instanceof IssueFault) throw error;
      signal.throwIfAborted();
      return {
        kind: "passing",
        reason: `${host} could not be reached (${explainNetworkFailure(error)})`,
        waitMs: 0,
      };
    }
  }

  async function read(response: Response, url: URL): Promise<Outcome> {
    const { status, headers } = response;
    if (response.ok) {
      const text = await readText(response.body, mostBytes);
      if (text !== undefined) return { kind: "answer", answer: { headers, text } };
      throw new IssueFault(`${host} answered with more than ${String(mostBytes / 2 ** 20)} MiB`);
    }
    // Unread it would hold its connection.
    await response.body?.cancel();
    if (status >= 300 && status < 400) {
      const target = URL.parse(headers.get("location") ?? "", url);
      if (target !== null) return { kind: "redirect", target };
    }
    // Some hosts give a date: then our own backoff will do.
    const seconds = Number(headers.get("retry-after") ?? 0);
    const waitMs = Number.isFinite(seconds) ? seconds * 1000 : 0;
    if (status === 429 || isLimited(status, headers)) {
      const reason = `${host} takes no more requests for now (${String(status)})`;
      return { kind: "passing", reason, waitMs };
    }
    if (status >= 500) {
      return { kind: "passing", reason: `${host} answered ${String(status)}`, waitMs };
    }
    throw new IssueFault(describeRefusal(status, host));
  }

  return {
    async get(path, headers = {}) {
      const backoff = createBackoff({ firstMs: firstRetryMs });
      let target = new URL(api + path);
      let redirects = 0;
      let tries = 0;
      for (;;) {
        const outcome = await send(target, headers);
        switch (outcome.kind) {
          case "answer":
            return outcome.answer;
          case "redirect":
            target = outcome.target;
            redirects += 1;
            if (redirects > mostRedirects) throw new IssueFault(`${host} redirects without end`);
            if (target.origin !== origin) {
              throw new IssueFault(
                `${host} redirects to ${target.origin}, which does not get its token`,
              );
            }
            break;
          case "passing":
            tries += 1;
            if (tries === mostTries) throw new IssueFault(outcome.reason);
            await Promise.all([backoff.wait(signal), waitFor(outcome.waitMs, signal)]);
            // That says more than that the time is over.
            if (signal.aborted) throw new IssueFault(outcome.reason);
        }
      }
    },
  };
}

/** GitHub says so with 403 too. Source: its REST documentation, "Rate limits". */
function isLimited(status: number, headers: Headers): boolean {
  return (
    status === 403 && (headers.get("x-ratelimit-remaining") === "0" || headers.has("retry-after"))
  );
}

function describeRefusal(status: number, host: string): string {
  switch (status) {
    case 401:
      return `${host} does not accept the token (401)`;
    case 403:
      return `${host} does not let the token read it (403)`;
    case 404:
      return `${host} has no such issue, or does not show it to the token (404)`;
    case 410:
      return `${host} says that it was deleted (410)`;
    default:
      return `${host} answered ${String(status)}`;
  }
}

async function waitFor(ms: number, signal: AbortSignal): Promise<void> {
  if (ms <= 0 || signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const end = () => resolve();
  // A timer takes no more than 24 days, and the signal ends the wait long before.
  const timer = setTimeout(end, Math.min(ms, 24 * 3_600_000));
  signal.addEventListener("abort", end, { once: true });
  await promise;
  clearTimeout(timer);
  signal.removeEventListener("abort", end);
}
