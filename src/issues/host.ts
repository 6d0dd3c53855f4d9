import { z } from "zod";
import { IssueFault } from "./fault.ts";
import type { Issue } from "./issue.ts";
import type { Answer, Transport } from "./transport.ts";
import type { IssueAddress } from "./url.ts";

/** How one kind of host is asked. */
export interface HostKind {
  /** As people call it. */
  readonly label: string;
  /** @param url where its web pages begin @returns where its API begins, without a slash at its end */
  api(url: URL): string;
  /** @throws IssueFault; the transport's signal's reason */
  read(transport: Transport, address: IssueAddress): Promise<Issue>;
}

/** An answer is from outside, whatever its documentation says. @throws IssueFault */
export function parse<T>(schema: z.ZodType<T>, { text }: Answer): T {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new IssueFault("the host's answer is no JSON", { cause: error });
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [first] = parsed.error.issues;
  throw new IssueFault(
    `the host's answer has another form: ${first?.path.join(".") ?? ""} ${first?.message ?? ""}`.trim(),
  );
}

/** A failure on the way to the comments leaves the issue itself readable. */
export async function orWithout<T>(
  reading: Promise<T>,
  fallback: (reason: string) => T,
): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof IssueFault) return fallback(error.message);
    throw error;
  }
}

/** Where a host writes null for a text that isn't there. */
export const textOrNull = z
  .string()
  .nullish()
  .transform((text) => text ?? "");
