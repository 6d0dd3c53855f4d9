// One question to a server, over GraphQL.
import { z } from "zod";
import { explainNetworkFailure } from "../network-failure.ts";
import { CommandError, exitCodes, type Server } from "./connection.ts";

const timeoutMs = 60_000;

const answerSchema = z.object({
  data: z.unknown(),
  errors: z
    .array(
      z.object({
        message: z.string(),
        extensions: z.object({ code: z.string().optional() }).optional(),
      }),
    )
    .optional(),
});

/** @returns the answer's data @throws CommandError */
export async function askServer(
  { url, token }: Server,
  query: string,
  variables: object,
): Promise<unknown> {
  const { data, errors = [] } = await send(url, token, JSON.stringify({ query, variables }));
  if (errors.length === 0) return data;
  const lines = errors.map(
    ({ message, extensions }) => `${extensions?.code ?? "INTERNAL"}: ${message}`,
  );
  throw new CommandError(exitCodes.refused, lines.join("\n"));
}

async function send(
  url: string,
  token: string,
  body: string,
): Promise<z.infer<typeof answerSchema>> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(`${url.replace(/\/$/, "")}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body,
      signal: AbortSignal.timeout(timeoutMs),
    });
    text = await response.text();
  } catch (error) {
    throw new CommandError(
      exitCodes.notReached,
      `no server at ${url} was reached: ${explainNetworkFailure(error)}`,
      { cause: error },
    );
  }
  if (response.status === 401) {
    throw new CommandError(
      exitCodes.refused,
      "UNAUTHENTICATED: the server does not know this FACTORY_TOKEN",
    );
  }
  const parsed = answerSchema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw new CommandError(
    exitCodes.notReached,
    `what answers at ${url} is no Factory server (HTTP ${String(response.status)})`,
  );
}

/** @returns undefined where it is none */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
